import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import {
  Body,
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Post,
  Req,
  SetMetadata,
  UseGuards,
  ValidationPipe,
} from "@nestjs/common";
import { NestFactory, Reflector } from "@nestjs/core";
import { ClientsModule, Transport } from "@nestjs/microservices";
import { AuthGuard, PassportModule, PassportStrategy } from "@nestjs/passport";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { IsString, Length } from "class-validator";
import { ExtractJwt, Strategy } from "passport-jwt";
import { __decorate, __metadata, __param } from "tslib";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// The gateway of users and posts: Passport, a guard for permissions and the ValidationPipe, as NestJS documents them.

class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      ignoreExpiration: false,
      algorithms: ["RS256"],
      secretOrKey: createPublicKey(settings.publicKey),
    });
  }

  validate({ sub, username, permissions }) {
    return { userId: sub, username, permissions };
  }
}
const Provided = __decorate([Injectable(), __metadata("design:paramtypes", [])], JwtStrategy);

class PermissionGuard {
  constructor(reflector) {
    this.reflector = reflector;
  }

  canActivate(context) {
    const required = this.reflector.get("permission", context.getHandler());
    const [service, permission] = required.split(":");
    const { user } = context.switchToHttp().getRequest();
    return user.permissions?.[service]?.includes(permission) ?? false;
  }
}
const Permissions = __decorate(
  [Injectable(), __metadata("design:paramtypes", [Reflector])],
  PermissionGuard,
);

class CreatePost {}
__decorate(
  [IsString(), Length(1, 200), __metadata("design:type", String)],
  CreatePost.prototype,
  "title",
  void 0,
);
__decorate(
  [IsString(), Length(1, 20_000), __metadata("design:type", String)],
  CreatePost.prototype,
  "body",
  void 0,
);

class ApiController {
  constructor(client) {
    this.client = client;
  }

  me(request) {
    return this.client.send("users.profile", { id: request.user.userId });
  }

  posts() {
    return this.client.send("posts.list", { limit: 20 });
  }

  create(request, { title, body }) {
    return this.client.send("posts.create", { authorId: request.user.userId, title, body });
  }
}

const handler = (decorators, name, parameters) =>
  __decorate(
    [
      ...decorators,
      __metadata("design:type", Function),
      __metadata("design:paramtypes", parameters),
      __metadata("design:returntype", Object),
    ],
    ApiController.prototype,
    name,
    null,
  );
handler([UseGuards(AuthGuard("jwt")), Get("users/me"), __param(0, Req())], "me", [Object]);
handler([Get("posts")], "posts", []);
handler(
  [
    UseGuards(AuthGuard("jwt"), Permissions),
    SetMetadata("permission", "posts:write"),
    Post("posts"),
    __param(0, Req()),
    __param(1, Body()),
  ],
  "create",
  [Object, CreatePost],
);
const Api = __decorate(
  [Controller("api"), __param(0, Inject("SERVICE")), __metadata("design:paramtypes", [Object])],
  ApiController,
);

class GatewayModule {}
const Gateway = __decorate(
  [
    Module({
      imports: [
        PassportModule,
        ClientsModule.register([
          { name: "SERVICE", transport: Transport.NATS, options: { servers: [settings.natsUrl] } },
        ]),
      ],
      controllers: [Api],
      providers: [Provided, Permissions],
    }),
  ],
  GatewayModule,
);

let app;
runChild({
  async started() {
    app = await NestFactory.create(Gateway, new FastifyAdapter(), { logger: false });
    app.useGlobalPipes(new ValidationPipe({ whitelist: true }));
    await app.listen(0, "127.0.0.1");
    return { port: app.getHttpServer().address().port };
  },
  stop: () => app.close(),
});
