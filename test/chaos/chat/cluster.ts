import { freePort } from "../../helpers/servers.ts";
import { type Servers, startServers } from "../servers.ts";
import { makeNode, type Node } from "./messages.ts";

export interface Gateway {
  readonly node: Node;
  readonly url: string;
}

/** Three gateways, two chat nodes, the other services, and the servers between them. */
export interface Cluster extends Servers {
  readonly gateways: readonly Gateway[];
  readonly chats: readonly Node[];
}

/** All clients have one address. Access tokens expire during a run. */
const SETTINGS = {
  ISSUER: "http://localhost:3000",
  BCRYPT_COST: "4",
  ACCESS_TOKEN_TTL: "60",
  RATE_LIMIT_ADDRESS: "1000000/10",
  RATE_LIMIT_PUBLIC: "1000000/60",
};

export async function startCluster(): Promise<Cluster> {
  const servers = await startServers();
  const env = { ...servers.env, ...SETTINGS };
  const others = [
    makeNode("guard", ["guard"], env),
    makeNode("accounts", ["auth", "users", "posts"], env),
  ];
  const chats = [1, 2].map((number) => makeNode(`chat ${number}`, ["chat"], env));
  const gateways = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const port = String(await freePort());
      const node = makeNode(`gateway ${number}`, ["api"], { ...env, PORT: port });
      return { node, url: `http://127.0.0.1:${port}` };
    }),
  );
  const nodes = [...others, ...chats, ...gateways.map(({ node }) => node)];
  await Promise.all(nodes.map((node) => node.start()));
  await Promise.all(gateways.map(({ url }) => untilReady(url)));
  return {
    ...servers,
    gateways,
    chats,
    async stop() {
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      await servers.stop();
    },
  };
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const isReady = await fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
