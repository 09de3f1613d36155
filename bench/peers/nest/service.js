import "reflect-metadata";
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { MessagePattern, Transport } from "@nestjs/microservices";
import { __decorate, __metadata } from "tslib";
import { ITEM } from "../../citadel/payload.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// A NestJS microservice on NATS.

class ItemController {
  get() {
    return ITEM;
  }
}
__decorate(
  [
    MessagePattern("item.get"),
    __metadata("design:type", Function),
    __metadata("design:paramtypes", []),
    __metadata("design:returntype", Object),
  ],
  ItemController.prototype,
  "get",
  null,
);
const Items = __decorate([Controller()], ItemController);

class ItemModule {}
const ItemApp = __decorate([Module({ controllers: [Items] })], ItemModule);

let app;
runChild({
  async started() {
    app = await NestFactory.createMicroservice(ItemApp, {
      transport: Transport.NATS,
      options: { servers: [settings.natsUrl] },
      logger: false,
    });
    await app.listen();
  },
  stop: () => app.close(),
});
