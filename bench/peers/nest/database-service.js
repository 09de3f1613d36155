import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { Controller, Injectable, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { MessagePattern, Payload, Transport } from "@nestjs/microservices";
import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
import { __decorate, __metadata, __param } from "tslib";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// The service of users and posts: kysely on the tables that Citadel has, with its queries.

const db = new Kysely({
  dialect: new PostgresDialect({
    pool: new Pool({ connectionString: settings.databaseUrl, max: 10 }),
  }),
});

const toPost = ({ id, author_id, title, created_at, updated_at, version, ...rest }) => ({
  id,
  authorId: author_id,
  title,
  createdAt: created_at.toISOString(),
  updatedAt: updated_at.toISOString(),
  version,
  ...rest,
});

const SUMMARY = ["id", "author_id", "title", "created_at", "updated_at", "version"];

class Repository {
  async profile(id) {
    const account = await db
      .withSchema("users")
      .selectFrom("accounts")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return {
      id: account.id,
      username: account.username,
      createdAt: account.created_at.toISOString(),
      version: account.version,
      email: account.email,
      emailVerified: account.email_verified_at !== null,
      roles: account.roles,
    };
  }

  async posts(limit) {
    const rows = await db
      .withSchema("posts")
      .selectFrom("posts")
      .select([...SUMMARY, sql`substr(body, 1, 200)`.as("excerpt")])
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    return {
      items: rows.slice(0, limit).map(toPost),
      nextCursor:
        last === undefined
          ? null
          : Buffer.from(`${last.created_at.toISOString()} ${last.id}`).toString("base64url"),
    };
  }

  async createPost({ authorId, title, body }) {
    const row = await db
      .withSchema("posts")
      .insertInto("posts")
      .values({ id: randomUUID(), author_id: authorId, title, body })
      .returning([...SUMMARY, "body"])
      .executeTakeFirstOrThrow();
    return toPost(row);
  }
}
const Rows = __decorate([Injectable()], Repository);

class ServiceController {
  constructor(rows) {
    this.rows = rows;
  }

  profile({ id }) {
    return this.rows.profile(id);
  }

  posts({ limit }) {
    return this.rows.posts(limit);
  }

  createPost(post) {
    return this.rows.createPost(post);
  }
}
for (const [pattern, name] of [
  ["users.profile", "profile"],
  ["posts.list", "posts"],
  ["posts.create", "createPost"],
])
  __decorate(
    [
      MessagePattern(pattern),
      __param(0, Payload()),
      __metadata("design:type", Function),
      __metadata("design:paramtypes", [Object]),
      __metadata("design:returntype", Promise),
    ],
    ServiceController.prototype,
    name,
    null,
  );
const Service = __decorate(
  [Controller(), __metadata("design:paramtypes", [Rows])],
  ServiceController,
);

class ServiceModule {}
const ServiceApp = __decorate(
  [Module({ controllers: [Service], providers: [Rows] })],
  ServiceModule,
);

let app;
runChild({
  async started() {
    app = await NestFactory.createMicroservice(ServiceApp, {
      transport: Transport.NATS,
      options: { servers: [settings.natsUrl] },
      logger: false,
    });
    await app.listen();
  },
  async stop() {
    await app.close();
    await db.destroy();
  },
});
