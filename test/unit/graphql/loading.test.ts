import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";

describe("The gateway", () => {
  it("loads no package of GraphQL when it starts", () => {
    const script = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
      await import("./services/api/api.service.ts");
      const packages = loaded.filter((url) => /node_modules\\/(@?graphql|dataloader|@envelop)/.test(url));
      console.log(JSON.stringify({ files: loaded.length, packages }));
    `;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    const { files, packages } = JSON.parse(output) as { files: number; packages: string[] };
    expect(files).toBeGreaterThan(100);
    expect(packages).toEqual([]);
  });
});
