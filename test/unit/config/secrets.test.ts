import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { secretsOf } from "../../../lib/contract/declarations/declared-secrets.ts";
import { makeSecrets } from "../../../lib/deployment/secrets.ts";

/** A service that the application does not have, with one secret of each type. */
const NOTES: ServiceContract = {
  name: "notes",
  actions: {},
  secrets: {
    sharing_key: { description: "", type: "key" },
    password: { description: "", type: "password", variable: "NOTES_ARCHIVE_PASSWORD" },
    signing_key: { description: "", type: "private-key", optional: true },
  },
};

const contracts = new Map([...loadContracts(), ["notes", NOTES]]);

const key = () => randomBytes(32).toString("base64url");

describe("A secret that a contract declares", () => {
  const folder = mkdtempSync(join(tmpdir(), "citadel-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const GIVEN = {
    NODE_ENV: "production",
    SERVICES: "notes",
    NOTES_AUTH_TOKEN: "a credential",
    NOTES_SHARING_KEY: key(),
    NOTES_ARCHIVE_PASSWORD: "a long password",
  };
  const load = (env: Record<string, string>) => loadConfig({ ...GIVEN, ...env }, contracts);

  it("is read from its variable, or from the file that X_FILE names", () => {
    const { secret } = load({});
    expect(secret("notes", "sharing_key")).toBe(GIVEN.NOTES_SHARING_KEY);
    expect(secret("notes", "password")).toBe("a long password");
    makeSecrets(folder, secretsOf(contracts.values()));
    const file = join(folder, "notes", "sharing_key");
    const fromFile = load({ NOTES_SHARING_KEY: "", NOTES_SHARING_KEY_FILE: file });
    expect(fromFile.secret("notes", "sharing_key")).toBe(readFileSync(file, "utf8"));
  });

  it("is missing in production with all others in one message, unless it is optional", () => {
    const missing = () => load({ NOTES_SHARING_KEY: "", NOTES_ARCHIVE_PASSWORD: "" });
    expect(missing).toThrow(/NOTES_SHARING_KEY \(or .*\) is missing\n.*NOTES_ARCHIVE_PASSWORD/);
    expect(missing).not.toThrow(/NOTES_SIGNING_KEY/);
  });

  it.each([
    ["a placeholder", { NOTES_ARCHIVE_PASSWORD: "changeme" }, /ARCHIVE_PASSWORD is a placeholder/],
    ["too short for a key", { NOTES_SHARING_KEY: "c2hvcnQ" }, /SHARING_KEY must be 32 bytes/],
    ["one short key of two", { NOTES_SHARING_KEY: `${key()}\nx` }, /SHARING_KEY must be 32 bytes/],
  ])("stops the start of production if it is %s", (_what, env, message) => {
    expect(() => load(env)).toThrow(message);
  });

  it("may have several keys while one replaces another", () => {
    expect(() => load({ NOTES_SHARING_KEY: `${key()}\n${key()}` })).not.toThrow();
  });

  it("stops the start if another service has the same value, and the value is not shown", () => {
    const shared = key();
    const both = () =>
      load({
        SERVICES: "auth,notes",
        AUTH_AUTH_TOKEN: "another credential",
        AUTH_ENCRYPTION_KEY: shared,
        NOTES_SHARING_KEY: shared,
      });
    expect(both).toThrow(/NOTES_SHARING_KEY has the value of AUTH_ENCRYPTION_KEY/);
    expect(both).not.toThrow(shared);
  });

  it("is made by development on the first start, kept, and read from there", () => {
    const dataDir = mkdtempSync(join(folder, "data-"));
    const secrets = join(dataDir, "secrets");
    makeSecrets(secrets, secretsOf(contracts.values()));
    const read = () => readFileSync(join(secrets, "notes", "sharing_key"), "utf8");
    const made = read();
    expect(Buffer.from(made, "base64url")).toHaveLength(32);
    makeSecrets(secrets, secretsOf(contracts.values()));
    expect(read()).toBe(made);
    const { secret } = loadConfig({ DATA_DIR: dataDir }, contracts);
    expect(secret("notes", "sharing_key")).toBe(made);
    expect(secret("notes", "signing_key")).toMatch(/BEGIN PRIVATE KEY/);
  });
});

describe("docker-compose.yml", () => {
  it("gives each service the secrets that its contract declares, and no other service's", () => {
    const compose = readFileSync(join(import.meta.dirname, "../../../docker-compose.yml"), "utf8");
    const given = [...compose.matchAll(/^ +(\w+)_FILE: \/run\/secrets\/(\w+)$/gm)]
      .map(([, variable, name]) => `${variable} ${name}`)
      .filter((one) => !/^(NATS_URL|DATABASE_URL|POSTGRES_PASSWORD) /.test(one));
    const declared = secretsOf(loadContracts().values());
    expect(given.toSorted()).toEqual(
      declared.map(({ variable, name }) => `${variable} ${name}`).toSorted(),
    );
  });
});
