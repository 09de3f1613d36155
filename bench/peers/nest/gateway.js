import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import { Controller, Get, Inject, Injectable, Module, UseGuards } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ClientsModule, Transport } from "@nestjs/microservices";
import { AuthGuard, PassportModule, PassportStrategy } from "@nestjs/passport";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { ExtractJwt, Strategy } from "passport-jwt";
import { __decorate, __metadata, __param } from "tslib";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// NestJS on Fastify with Passport, as its documentation has them. Decorators are applied as TypeScript compiles them.

// the documentation passes the key as a string; a KeyObject is parsed only once
const secretOrKey =
  settings.variant === "KeyObject" ? createPublicKey(settings.publicKey) : settings.publicKey;

class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      ignoreExpiration: false,
      algorithms: ["RS256"],
      secretOrKey,
    });
  }

  validate(payload) {
    return { userId: payload.sub, username: payload.username };
  }
}
const Provided = __decorate([Injectable(), __metadata("design:paramtypes", [])], JwtStrategy);

class ItemController {
  constructor(client) {
    this.client = client;
  }

  get() {
    return this.client.send("item.get", {});
  }
}
__decorate(
  [
    UseGuards(AuthGuard("jwt")),
    Get("item"),
    __metadata("design:type", Function),
    __metadata("design:paramtypes", []),
    __metadata("design:returntype", Object),
  ],
  ItemController.prototype,
  "get",
  null,
);
const Items = __decorate(
  [Controller("api"), __param(0, Inject("ITEMS")), __metadata("design:paramtypes", [Object])],
  ItemController,
);

class GatewayModule {}
const Gateway = __decorate(
  [
    Module({
      imports: [
        PassportModule,
        ClientsModule.register([
          { name: "ITEMS", transport: Transport.NATS, options: { servers: [settings.natsUrl] } },
        ]),
      ],
      controllers: [Items],
      providers: [Provided],
    }),
  ],
  GatewayModule,
);

let app;
runChild({
  async started() {
    app = await NestFactory.create(Gateway, new FastifyAdapter(), { logger: false });
    await app.listen(0, "127.0.0.1");
    return { port: app.getHttpServer().address().port };
  },
  stop: () => app.close(),
});
