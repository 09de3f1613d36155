import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";

/** What a run was measured on. */
export interface Machine {
  processor: string;
  cores: number;
  memory: string;
  system: string;
  versions: Record<string, string>;
}

const ROOT = join(import.meta.dirname, "..", "..");

interface Lock {
  packages: Record<string, { version?: string } | undefined>;
}

/** The packages that a reader compares with their own. */
const PACKAGES = {
  "package-lock.json": [
    "moleculer",
    "moleculer-web",
    "moleculer-io",
    "nats",
    "socket.io",
    "pg",
    "kysely",
  ],
  "bench/package-lock.json": [
    "@nestjs/core",
    "@nestjs/microservices",
    "@nestjs/platform-fastify",
    "passport-jwt",
    "fastify",
    "@fastify/jwt",
    "@socket.io/redis-adapter",
  ],
};

/** @param databaseVersion the version of PostgreSQL, if it is measured */
export function describeMachine(databaseVersion: string | undefined): Machine {
  const all = cpus();
  const packages = Object.entries(PACKAGES).flatMap(([file, names]) => {
    const lock = JSON.parse(readFileSync(join(ROOT, file), "utf8")) as Lock;
    return names.map(
      (name) => [name, lock.packages[`node_modules/${name}`]?.version ?? ""] as const,
    );
  });
  return {
    processor: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${type()} ${release().split(/[-+]/, 1)[0]}`,
    versions: {
      Node: process.versions.node,
      "nats-server": versionOf("nats-server"),
      "redis-server": versionOf("redis-server"),
      ...(databaseVersion !== undefined && { PostgreSQL: databaseVersion }),
      ...Object.fromEntries(packages),
    },
  };
}

function versionOf(command: string): string {
  try {
    const output = execFileSync(command, ["--version"], { encoding: "utf8" });
    return /\d+\.\d+(?:\.\d+)?/.exec(output)?.[0] ?? "unknown";
  } catch {
    return "none";
  }
}
