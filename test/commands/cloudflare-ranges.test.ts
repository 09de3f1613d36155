import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readCloudflareRanges } from "../../lib/network/cloudflare-ranges.ts";
import { TrustedProxies } from "../../lib/network/trusted-proxies.ts";

const SCRIPT = join(import.meta.dirname, "..", "..", "scripts", "cloudflare-ranges.ts");

describe("npm run cloudflare-ranges", () => {
  let server: Server;
  let url: string;
  let folder: string;
  let lists: Record<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "citadel-ranges-"));
    server = createServer(({ url: path = "" }, res) => {
      const list = lists[path];
      res.writeHead(list === undefined ? 503 : 200).end(list);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const { ranges } = readCloudflareRanges();
  const of = (kind: ":" | ".") => ranges.filter((range) => range.includes(kind)).join("\n");

  beforeEach(() => {
    lists = { "/ips-v4": of("."), "/ips-v6": of(":") };
  });

  const run = (file: string) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      const args = [SCRIPT, "--from", url, "--to", join(folder, file)];
      execFile(process.execPath, args, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code as number) : 0, output: stdout + stderr }),
      );
    });

  it("writes the ranges that Cloudflare publishes, and shows the changes", async () => {
    lists["/ips-v4"] = `${of(".")}\n192.0.2.0/24`.replace("131.0.72.0/22\n", "");
    const { code, output } = await run("ranges.json");
    expect(output).toContain("+ 192.0.2.0/24");
    expect(output).toContain("- 131.0.72.0/22");
    expect(code).toBe(0);
    const written = JSON.parse(readFileSync(join(folder, "ranges.json"), "utf8"));
    expect(written.ranges).toContain("192.0.2.0/24");
    expect(written.date).toMatch(/^\d{4}-\d\d-\d\d$/);
  });

  it.each([
    ["nothing", undefined],
    ["a page", "<html>Not here</html>"],
    ["everybody", `0.0.0.0/0\n${of(".")}`],
    ["too little", ""],
  ])("keeps the list if the response is %s", async (what, list) => {
    if (list === undefined) delete lists["/ips-v4"];
    else lists["/ips-v4"] = list;
    const { code, output } = await run(`${what}.json`);
    expect(code).toBe(1);
    expect(output).toMatch(/was not updated/);
    expect(existsSync(join(folder, `${what}.json`))).toBe(false);
  });

  it("has a committed list that the gateway can read", () => {
    expect(ranges).toHaveLength(22);
    expect(() => new TrustedProxies(["cloudflare"])).not.toThrow();
  });
});
