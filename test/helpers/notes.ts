import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
import { implement } from "../../lib/contract/implement.ts";
import { CitadelError } from "../../lib/errors/errors.ts";

const NOTE = { noteId: "string|max:100", text: "string" } as const;

/** A service that uses everything that a contract can declare about sockets. A note belongs to the user in its id. */
export const notes = defineContract({
  name: "notes",
  actions: {
    mayRead: {
      description: "Refuses the notes of other users.",
      restricted: ["api"],
      auth: "required",
      permissions: null,
      closed: true,
      params: { id: "string|max:100" },
      result: null,
    },
    open: route({
      description: "Opens a note.",
      auth: "required",
      permissions: null,
      params: { id: "string|max:100", mode: "string|max:10" },
      socket: {
        event: "note:open",
        names: { id: "noteId" },
        defaults: { mode: "read" },
        join: "id",
      },
      result: { type: "object", props: { id: "string", mode: "string" } },
    }),
    close: route({
      description: "Closes a note.",
      auth: "required",
      permissions: null,
      params: { id: "string|max:100" },
      socket: { event: "note:close", names: { id: "noteId" }, leave: "id" },
      result: null,
    }),
    count: route({
      description: "Counts the user's notes.",
      auth: "required",
      permissions: null,
      params: {},
      socket: "noteCount",
      result: "number",
    }),
  },
  emits: {
    "notes.changed": {
      description: "A note was changed.",
      params: {
        ...NOTE,
        tags: {
          type: "array",
          optional: true,
          items: { type: "object", props: { name: "string" } },
        },
      },
      socket: { event: "note:changed", to: { room: "noteId" } },
    },
    "notes.shared": {
      description: "A note was shared with a user.",
      params: { noteId: "string", userId: "uuid" },
      socket: { event: "note:shared", to: { user: "userId" }, join: "noteId" },
    },
    "notes.withdrawn": {
      description: "A note is no longer shared with a user.",
      params: { noteId: "string", userId: "uuid" },
      socket: { event: "note:withdrawn", to: { user: "userId" }, leave: "noteId" },
    },
    "notes.announced": {
      description: "Something that concerns every user.",
      params: { text: "string" },
      socket: { event: "note:announced", to: "all" },
    },
  },
  rooms: { everyone: ["lobby"], mayJoin: "mayRead" },
});

/** The service. Its notes are only ids: `<user id>:<name>`; those in `failing` cannot be opened. */
export const notesService = (failing: ReadonlySet<string> = new Set()) =>
  implement<typeof notes>(notes, {
    actions: {
      mayRead: async ({ params: { id }, locals: { user } }) => {
        if (!id.startsWith(user.sub)) throw new CitadelError("NotFound");
      },
      open: async ({ params: { id, mode } }) => {
        if (failing.has(id)) throw new CitadelError("Conflict");
        return { id, mode };
      },
      close: async () => {},
      count: async () => 3,
    },
  });
