import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { type Example, examplesOf, HOST, isJson } from "../helpers/examples.ts";
import { administrator, login, request } from "../helpers/http.ts";
import { markdownFiles, readDocument } from "../helpers/markdown.ts";
import { codeOf } from "../helpers/second-factor.ts";
import { hasCurl, Shell } from "../helpers/shell.ts";
import { differences } from "../helpers/shown-json.ts";

const ALICE = { username: "alice", email: "alice@example.com", password: "correct horse" };

/** Fields of a response that later commands of a document use, as variables in capitals. */
const REMEMBERED = /^(id|client_id|client_secret|refresh_token|secret)$/;

/** Permissions that every user has, so that naming one does not ask for an administrator. */
const PERMISSIONS_OF_USERS = /`(posts|chat):write`/g;

const documents = markdownFiles()
  .map((document) => ({ document, examples: examplesOf(document) }))
  .filter(({ examples }) => examples.length > 0);

// Each document has an application of its own. The README begins with an empty one; the others begin after its
// tour, with alice's access token in $TOKEN.
describe.skipIf(!hasCurl()).each(documents)("The examples", ({ document, examples }) => {
  const isTour = document === "README.md";
  let app: App;
  let shell: Shell;
  let aliceId = "";

  beforeAll(async () => {
    app = await startApp({ ISSUER: `http://${HOST}` });
    shell = new Shell();
    if (isTour) return;
    const headers = { "user-agent": "curl/8.14.1" };
    const { body } = await request(app, "POST /api/auth/register", { body: ALICE, headers });
    aliceId = body.user.id;
    shell.variables.USER_ID = aliceId;
    shell.variables.TOKEN = body.access_token;
    shell.variables.REFRESH_TOKEN = body.refresh_token;
    // a refusal for the audit trail
    await request(app, "POST /api/users", { token: body.access_token, body: {}, headers });
  });
  afterAll(async () => {
    shell?.remove();
    await app?.stop();
  });

  it.each(examples)(`of ${document} in line $line answer as shown`, async (example) => {
    await prepare(example);
    let result = await run(example);
    const shows403 = example.shown.some((one) => (one as { code?: number }).code === 403);
    if (!isTour && !shows403 && result.statuses.includes(403)) {
      await actAsAdministrator();
      result = await run(example);
    }
    expect(result.requests).not.toEqual([]);
    expect(result.requests.filter((line) => /^(000|404|5\d\d) /.test(line))).toEqual([]);

    const compare = () =>
      example.shown.flatMap((one, at) => differences(one, result.bodies[at], `response ${at + 1}`));
    // an entry of the audit trail is stored a little later than the response is sent
    if (compare().length > 0 && example.commands.join().includes("/api/audit"))
      await expect
        .poll(async () => {
          result = await run(example);
          return compare();
        })
        .toEqual([]);
    expect(compare()).toEqual([]);
    for (const [at, one] of example.shown.entries()) {
      const { code } = one as { code?: number };
      if (code !== undefined) expect(result.statuses[at]).toBe(code);
    }
  });

  /** Runs the example's commands, with its placeholders filled in as a reader does. */
  async function run({ commands }: Example) {
    const bodies: unknown[] = [];
    const requests: string[] = [];
    for (const command of commands) {
      const { SECRET } = shell.variables;
      const filled = command
        .replaceAll(HOST, new URL(app.url).host)
        .replaceAll(/"userId":"[0-9a-f]+-?…"/g, `"userId":"${aliceId}"`)
        .replaceAll('"otp":"123456"', () => `"otp":"${SECRET ? codeOf(SECRET) : "123456"}"`);
      const result = await shell.run(filled);
      requests.push(...result.requests);
      for (const line of result.output.filter(isJson)) {
        const body = JSON.parse(line) as Record<string, unknown>;
        bodies.push(body);
        remember(body);
      }
    }
    return { bodies, requests, statuses: requests.map((line) => Number(line.slice(0, 3))) };
  }

  function remember(body: Record<string, unknown>): void {
    const [newest] = (body.items ?? []) as Record<string, unknown>[];
    for (const [name, value] of Object.entries({ ...newest, ...body }))
      if (typeof value === "string" && REMEMBERED.test(name))
        shell.variables[name.toUpperCase()] = value;
  }

  /** What the text above an example takes for granted: a session that lives, an administrator, a client. */
  async function prepare({ before, commands }: Example): Promise<void> {
    if (isTour) return;
    await signIn();
    if (/administrator|`\w+:\w+`/.test(before.replaceAll(PERMISSIONS_OF_USERS, "")))
      await actAsAdministrator();
    if (commands.join().includes("$CLIENT_SECRET")) {
      const { token } = await administrator(app);
      const body = { name: "documented", permissions: ["posts:write"] };
      remember((await request(app, "POST /api/auth/service-accounts", { token, body })).body);
    }
  }

  /** Signs in alice, if an example before has ended her session or was the administrator's. */
  async function signIn(): Promise<void> {
    const { body } = await request(app, "GET /api/users/me", { token: shell.variables.TOKEN });
    if (body.id === aliceId) return;
    const changed = readDocument(document).matchAll(/"newPassword":"([^"…]+)"/g);
    for (const password of [ALICE.password, ...[...changed].map(([, one = ""]) => one)]) {
      const alice = await login(app, ALICE.username, password).catch(() => undefined);
      if (!alice) continue;
      shell.variables.TOKEN = alice.token;
      shell.variables.REFRESH_TOKEN = alice.refreshToken;
      break;
    }
  }

  async function actAsAdministrator(): Promise<void> {
    shell.variables.TOKEN = (await administrator(app)).token;
  }
});
