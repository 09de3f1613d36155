import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./servers.ts";

const TEMPLATE = join(import.meta.dirname, "..", "..", "deploy", "nginx", "gateway.conf.template");

/** Debian installs nginx in a folder that is on root's PATH only. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Is nginx installed? If CI is set, it must be. */
export function hasNginx(): boolean {
  if (!spawnSync("nginx", ["-v"], { env }).error) return true;
  const what = "Skipping the tests behind nginx: there is none on the PATH.";
  if (process.env.CI) throw new Error(`${what} With CI set, no suite may be skipped.`);
  console.log(what);
  return false;
}

export interface Certificate {
  cert: Buffer;
  key: Buffer;
}

/** A folder of certificates that one authority signed. */
class Authority {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "1",
      "-subj",
      "/CN=authority",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
    );
  }

  get certificate(): Buffer {
    return readFileSync(join(this.#folder, "ca.pem"));
  }

  sign(name: string): Certificate {
    this.#openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      `/CN=${name}`,
      "-addext",
      `subjectAltName=DNS:${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    );
    this.#openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-copy_extensions",
      "copy",
      "-days",
      "1",
      "-out",
      `${name}.pem`,
    );
    const read = (ending: string) => readFileSync(join(this.#folder, `${name}.${ending}`));
    return { cert: read("pem"), key: read("key") };
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: "ignore" });
  }
}

export interface Nginx {
  /** `https://localhost:…` */
  url: string;
  /** The authority of nginx's certificate. */
  ca: Buffer;
  /** The client certificate of Cloudflare. */
  client: Certificate;
  /** A client certificate that another authority signed. */
  stranger: Certificate;
  /** All logs until now. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts nginx with the deployment's configuration in front of an application. */
export async function startNginx(gateway: string): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "citadel-nginx-"));
  // its workers run as another user
  chmodSync(folder, 0o755);
  const folders = ["origin", "cloudflare", "other", "certificates"].map((name) =>
    join(folder, name),
  );
  for (const one of folders) mkdirSync(one);
  const [origin, cloudflare, other] = folders.slice(0, 3).map((one) => new Authority(one)) as [
    Authority,
    Authority,
    Authority,
  ];
  const { cert, key } = origin.sign("localhost");
  const certificates = join(folder, "certificates");
  writeFileSync(join(certificates, "origin.pem"), cert);
  writeFileSync(join(certificates, "origin.key"), key);
  writeFileSync(join(certificates, "client-ca.pem"), cloudflare.certificate);

  const port = await freePort();
  const values: Record<string, string> = {
    LISTEN: `127.0.0.1:${port}`,
    SERVER_NAME: "localhost",
    CERTIFICATES: certificates,
    GATEWAY: gateway,
    ACCESS_LOG: join(folder, "access.log"),
  };
  const site = readFileSync(TEMPLATE, "utf8").replace(
    /\$\{(\w+)\}/g,
    (_, name: string) => values[name] ?? "",
  );
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const temporary = paths.map((name) => `${name}_temp_path ${join(folder, name)};`).join("\n");
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;\npid ${join(folder, "pid")};\nerror_log stderr;\nevents {}\n` +
      `http {\naccess_log off;\n${temporary}\n${site}}\n`,
  );
  const server = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  server.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const ended = once(server, "exit");
  await Promise.race([
    untilListening(port),
    ended.then(([code]) => Promise.reject(new Error(`nginx ended with ${code}: ${errors}`))),
  ]);
  return {
    url: `https://localhost:${port}`,
    ca: origin.certificate,
    client: cloudflare.sign("cloudflare"),
    stranger: other.sign("cloudflare"),
    log: () => readFileSync(join(folder, "access.log"), "utf8") + errors,
    async stop() {
      server.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
