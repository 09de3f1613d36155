import type { Socket } from "socket.io-client";
import { expect } from "vitest";
import { ownContext } from "../../lib/context/own-context.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { implement } from "../../lib/contract/implement.ts";
import { route } from "../../lib/contract/route.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { STAFF } from "../../lib/tokens/subject-type.ts";
import type { App } from "./app.ts";
import { collect } from "./socket.ts";

const PAPER = {
  paperId: "string|max:100",
  ownerId: "uuid",
  pages: "number",
  topic: { type: "enum", values: ["law", "art"], optional: true },
  authors: {
    type: "array",
    optional: true,
    items: { type: "object", props: { name: "string" } },
  },
} as const;

/** A service with an event for each way in which a contract can declare a subscription. */
export const papers = defineContract({
  name: "papers",
  actions: {
    mayRead: {
      description: "Refuses users who are no readers of the paper.",
      restricted: ["api"],
      auth: "required",
      permissions: null,
      closed: true,
      params: { id: "string|max:100" },
      result: { type: "object", props: { epoch: "number" } },
    },
    open: route({
      description: "Opens a paper.",
      auth: "required",
      permissions: null,
      params: { id: "string|max:100" },
      socket: { event: "paper:open", join: "id" },
      result: null,
    }),
  },
  emits: {
    "papers.published": {
      description: "A paper was published.",
      params: PAPER,
      subscribe: {
        auth: "required",
        permissions: null,
        params: {
          ownerId: "uuid|optional",
          pages: "number|optional",
          topic: { type: "enum", values: ["law", "art"], optional: true },
        },
        visible: "all",
      },
    },
    "papers.reviewed": {
      description: "A paper was reviewed.",
      params: PAPER,
      subscribe: { auth: "required", permissions: "posts:moderate", visible: "all" },
    },
    "papers.judged": {
      description: "A paper was judged.",
      params: PAPER,
      subscribe: { auth: "required", permissions: null, roles: ["moderator"], visible: "all" },
    },
    "papers.audited": {
      description: "A paper was audited.",
      params: PAPER,
      subscribe: { auth: "required", permissions: null, subjects: STAFF, visible: "all" },
    },
    "papers.graded": {
      description: "A paper has a grade.",
      params: PAPER,
      subscribe: { auth: "required", permissions: null, visible: { user: "ownerId" } },
    },
    "papers.commented": {
      description: "A reader has commented on a paper.",
      params: { ...PAPER, epoch: "number" },
      subscribe: {
        auth: "required",
        permissions: null,
        visible: { room: "paperId", epoch: "epoch" },
      },
    },
    "papers.withdrawn": {
      description: "A user is no longer a reader of a paper.",
      params: { paperId: "string", userId: "uuid" },
      socket: { event: "paper:withdrawn", to: { user: "userId" }, leave: "paperId" },
    },
    "papers.rung": {
      description: "A sign for every socket.",
      params: { text: "string" },
      socket: { event: "paper:rung", to: "all" },
    },
    "papers.hidden": { description: "An event for services only.", params: PAPER },
  },
  rooms: { mayJoin: "mayRead" },
});

/** The readers of each paper; `epoch` counts the removals. */
export class Readers {
  readonly #readers = new Set<string>();
  epoch = 0;

  add(paperId: string, userId: string): void {
    this.#readers.add(`${paperId} ${userId}`);
  }

  remove(paperId: string, userId: string): void {
    this.#readers.delete(`${paperId} ${userId}`);
    this.epoch += 1;
  }

  has = (paperId: string, userId: string): boolean => this.#readers.has(`${paperId} ${userId}`);
}

export const papersService = (readers: Readers) =>
  implement<typeof papers>(papers, {
    actions: {
      mayRead: async ({ params: { id }, locals: { user } }) => {
        if (!readers.has(id, user.sub)) throw new CitadelError("NotFound");
        return { epoch: readers.epoch };
      },
      open: async () => {},
    },
  });

/** Broadcasts an event as a service does. */
export const broadcastAs = (app: App, service: string, event: string, payload: object) =>
  ownContext(app.service(service)).broadcast(event as never, payload as never);

export const subscribe = (socket: Socket, event: unknown, params?: unknown): Promise<any> =>
  socket
    .timeout(5_000)
    .emitWithAck("subscribe", { event, ...(params !== undefined && { params }) });

/** Every delivery from now on, as it has arrived. */
export const deliveries = (socket: Socket): any[] => collect(socket, "event");

/** Waits for an event that every socket receives: whatever was sent before has arrived then. */
export async function ring(app: App, ...sockets: Socket[]): Promise<void> {
  const seen = sockets.map((socket) => collect(socket, "paper:rung"));
  const text = crypto.randomUUID();
  await broadcastAs(app, "papers", "papers.rung", { text });
  for (const one of seen) await expect.poll(() => one).toContainEqual({ text });
}
