import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareSync } from "bcryptjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import { hasDatabase, loadContracts } from "../../../lib/contract/load.ts";
import { secretsOf } from "../../../lib/contract/declarations/declared-secrets.ts";
import { makeDeploymentSecrets } from "../../../lib/deployment/deployment-secrets.ts";

const contracts = loadContracts();
const services = [...contracts.keys()];
const secrets = secretsOf(contracts.values());

describe("The secrets of a deployment", () => {
  const folder = mkdtempSync(join(tmpdir(), "citadel-secrets-"));
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const make = () =>
    makeDeploymentSecrets(folder, {
      namespace: "citadel",
      all: services,
      secrets,
      withDatabase: services.filter(hasDatabase),
    });

  beforeAll(make);
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(services)("are all that %s needs to start in production", (service) => {
    const files = globSync("*", { cwd: join(folder, service) });
    const env = Object.fromEntries(
      files.map((name) => {
        const own = secrets.find((one) => one.service === service && one.name === name);
        const variable = own?.variable ?? name.toUpperCase();
        return [`${variable}_FILE`, join(folder, service, name)];
      }),
    );
    const load = () => loadConfig({ ...env, NODE_ENV: "production", SERVICES: service }, contracts);
    expect(load).not.toThrow();
  });

  it("can be read by their owner only", () => {
    const files = globSync("*/*", { cwd: folder });
    const open = files.filter((file) => statSync(join(folder, file)).mode & 0o077);
    expect(files.length).toBeGreaterThan(0);
    expect(open).toEqual([]);
  });

  it("are kept when the command runs again", () => {
    const made = globSync("*/*", { cwd: folder }).filter((file) => !file.startsWith("nats/"));
    const before = made.map(read);
    make();
    expect(made.map(read)).toEqual(before);
    expect(globSync("*/*", { cwd: folder })).toHaveLength(made.length + 1);
  });

  it("give each service a NATS user, of whose password NATS gets only a hash", () => {
    const { username, password } = new URL(read("posts/nats_url"));
    const [, hash = ""] = /user: "posts", password: "(.+)"/.exec(read("nats/nats.conf")) ?? [];
    expect(username).toBe("posts");
    expect(compareSync(password, hash)).toBe(true);
  });

  it("give a database role to each service with a database, and to no other", () => {
    const { username, password } = new URL(read("posts/database_url"));
    expect(username).toBe("posts");
    expect(read("postgres/init.sql")).toContain(`ALTER ROLE "posts" LOGIN PASSWORD '${password}'`);
    expect(globSync("*/database_url", { cwd: folder }).toSorted()).toEqual(
      ["auth", "chat", "guard", "posts", "users"].map((name) => `${name}/database_url`),
    );
  });
});
