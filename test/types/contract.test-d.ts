// Type tests: 'npm run check' fails if one of these lines stops being an error, or starts to be one.
import type { Transaction } from "kysely";
import { STAFF } from "../../lib/tokens/subject-type.ts";
import { type Caller } from "../../lib/contract/calls.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import type { Examples } from "../../lib/contract/examples.ts";
import { type Handlers } from "../../lib/contract/handlers.ts";
import type { Input, Output, ValueOf } from "../../lib/contract/schemas/infer.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { ServiceError } from "../../lib/errors/service-error.ts";
import { route } from "../../lib/contract/route.ts";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(isEqual: Equal<A, B>): boolean => isEqual;

// parameters are read off the schema
const schema = {
  $$strict: "remove",
  name: "string|min:3",
  nick: "string|optional|max:9",
  tags: "string[]",
  age: { type: "number", optional: true },
  limit: { type: "number", default: 20 },
  role: { type: "enum", values: ["user", "admin"] },
  address: { type: "object", props: { street: "string", zip: { type: "string", nullable: true } } },
} as const;

interface Common {
  name: string;
  tags: string[];
  role: "user" | "admin";
  address: { street: string; zip: string | null };
}
type WithOptional<T> = { [K in keyof T]: T[K] };
same<
  WithOptional<Output<typeof schema>>,
  WithOptional<Common & { limit: number; nick?: string | undefined; age?: number | undefined }>
>(true);
const withoutDefault: Input<typeof schema> = {
  name: "alice",
  tags: [],
  role: "admin",
  address: { street: "Main", zip: null },
};
same<ValueOf<{ type: "array"; items: "uuid" }>, string[]>(true);

// calls are typed by the contracts
export async function calls(ctx: Caller): Promise<void> {
  const post = await ctx.call("posts.get", { id: "…" });
  const title: string = post.title;
  await ctx.call("users.list");
  await ctx.emit("sessions.revoked", { sessions: [{ sid: title }], until: 0 });

  // @ts-expect-error no such action
  await ctx.call("posts.gett", { id: "…" });
  // @ts-expect-error a parameter is missing
  await ctx.call("posts.get");
  // @ts-expect-error a parameter of another type
  await ctx.call("posts.get", { id: 1 });
  // @ts-expect-error an unknown parameter
  await ctx.call("posts.get", { id: "…", more: true });
  // @ts-expect-error the result has no such field
  console.assert(post.author);
  // @ts-expect-error the result is no text
  const wrong: string = await ctx.call("posts.get", { id: "…" });
  // @ts-expect-error no such event
  await ctx.emit("sessions.revokd", { sessions: [], until: 0 });
  // @ts-expect-error the event carries something else
  await ctx.broadcast("sessions.revoked", { sessions: [] });
  // @ts-expect-error a durable event is emitted in a transaction
  await ctx.emit("user.created", { id: "…", username: "…" });
  await ctx.broadcast("chat.announcement", { text: "…", timestamp: "…" });
  // @ts-expect-error an event for sockets is broadcast
  await ctx.emit("chat.announcement", { text: "…", timestamp: "…" });
  // @ts-expect-error so is an event to which clients subscribe
  await ctx.emit("posts.removed", { id: "…", authorId: "…" });
  await ctx.broadcast("posts.removed", { id: "…", authorId: "…" });
  console.assert(wrong, withoutDefault.name);
}

// handlers are held to the contract
const contract = defineContract({
  name: "probe",
  actions: {
    look: {
      description: "",
      restricted: ["api"],
      auth: "required",
      params: { id: "uuid" },
      result: "number",
    },
    ask: { description: "", restricted: null, auth: "none", params: {}, result: null },
  },
  events: { "user.created": { restricted: ["users"], auth: "none" } },
});

export const good: Handlers<typeof contract> = {
  actions: {
    look: async (ctx) => ctx.params.id.length + ctx.locals.user.username.length,
    ask: async (ctx) => {
      // @ts-expect-error nobody was asked who they are
      console.assert(ctx.locals.user.username);
    },
  },
  events: { "user.created": async (ctx) => console.assert(ctx.params.username) },
};

export const bad: Handlers<typeof contract> = {
  actions: {
    // @ts-expect-error the result is no text
    look: async () => "one",
    ask: async () => {},
  },
  events: {
    // @ts-expect-error the event carries no such field
    "user.created": async (ctx) => console.assert(ctx.params.name),
  },
};

export const extra: Handlers<typeof contract>["actions"] = {
  look: async () => 1,
  ask: async () => {},
  // @ts-expect-error no such action
  tell: async () => {},
};

// an authentication context has a subject or an error, and takes the place of the user
const decider = defineContract({
  name: "decider",
  actions: {
    decide: { description: "", restricted: null, auth: "context", params: {}, result: "string" },
    ask: { description: "", restricted: null, auth: "optional", params: {}, result: null },
  },
});
export const deciding: Handlers<typeof decider> = {
  actions: {
    decide: async (ctx) => {
      same<typeof ctx.locals.user, undefined>(true);
      const { subject, authErrorInfo } = ctx.locals.authContext;
      // @ts-expect-error there may be no subject
      console.assert(subject.username);
      return subject ? subject.username : authErrorInfo.type;
    },
    ask: async (ctx) => same<typeof ctx.locals.authContext, undefined>(true) as never,
  },
};

// an atomic handler writes in a transaction
const writer = defineContract({
  name: "writer",
  actions: {
    store: {
      description: "",
      restricted: null,
      auth: "none",
      params: {},
      result: null,
      idempotent: "atomic",
    },
  },
});
export const atomic: Handlers<typeof writer, { items: { id: number } }> = {
  actions: {
    store: async (_ctx, trx) => {
      same<typeof trx, Transaction<{ items: { id: number } }>>(true);
    },
  },
};

// @ts-expect-error a handler is missing
export const missing: Handlers<typeof contract>["actions"] = { ask: async () => {} };

defineContract({
  name: "open",
  actions: {
    // @ts-expect-error who may call it is not said
    door: { description: "", auth: "none", params: {}, result: null },
  },
});

defineContract({
  name: "typo",
  actions: {
    look: {
      description: "",
      restricted: null,
      auth: "none",
      // @ts-expect-error no such rule
      params: { id: "uuidd" },
      result: null,
    },
  },
});

defineContract({
  name: "kinds",
  actions: {
    manage: {
      description: "",
      restricted: null,
      auth: "required",
      subjects: STAFF,
      params: {},
      result: null,
    },
    look: {
      description: "",
      restricted: null,
      auth: "required",
      // @ts-expect-error no such kind of subject
      subjects: ["EndUser"],
      params: {},
      result: null,
    },
  },
});

// a key that contracts do not know is an error, wherever it stands
const open = { description: "", restricted: null, auth: "required", result: null } as const;
const forUsers = { ...open, params: {} } as const;
const titled = { title: "Write", description: "Write." } as const;
const told = { description: "" } as const;
const unheard = { restricted: ["users"], auth: "none" } as const;
const heard = { restricted: ["users"], auth: "required" } as const;
const MISSPELT = { type: "string", maximum: 5 } as const;
const WRONG_TYPE = { type: "enum", values: ["a"], pattern: /a/ } as const;
const arrayOf = <const R>(items: R) => ({ type: "array", items }) as const;
const objectOf = <const R>(field: R) => ({ type: "object", props: { field } }) as const;
const recordOf = <const R>(value: R) => ({ type: "record", key: "string", value }) as const;

// @ts-expect-error of the contract
defineContract({ name: "x", permission: { write: "" }, actions: {} });
// @ts-expect-error of an action
defineContract({ name: "x", actions: { a: { ...open, params: {}, role: ["admin"] } } });
// @ts-expect-error a list of roles
defineContract({ name: "x", actions: { a: { ...open, params: {}, roles: "admin" } } });
// @ts-expect-error of an action
defineContract({ name: "x", actions: { a: { ...open, params: {}, permission: "x:write" } } });
// @ts-expect-error of an action
defineContract({ name: "x", actions: { a: { ...open, params: {}, subject: STAFF } } });
// @ts-expect-error an empty list of permissions
defineContract({ name: "x", actions: { a: { ...forUsers, permissions: [] } } });
// @ts-expect-error permissions without a user
defineContract({ name: "x", actions: { a: { ...forUsers, auth: "none", permissions: "x:y" } } });
// @ts-expect-error null instead of permissions without a user
defineContract({ name: "x", actions: { a: { ...forUsers, auth: "optional", permissions: null } } });
// @ts-expect-error permissions of a handler without a user
defineContract({ name: "x", actions: {}, events: { e: { ...unheard, permissions: null } } });
// @ts-expect-error a text as a permission
defineContract({ name: "x", permissions: { write: "Write." }, actions: {} });
// @ts-expect-error of a permission
defineContract({ name: "x", permissions: { write: { ...titled, usedFor: true } }, actions: {} });
defineContract({
  name: "x",
  permissions: { write: titled, manage: { ...titled, usedByManagedServiceOnly: true } },
  actions: {
    a: { ...forUsers, permissions: ["x:write", "x:manage"] },
    b: { ...forUsers, permissions: null },
  },
});
// @ts-expect-error of a schema
defineContract({ name: "x", actions: { a: { ...open, params: { $$strct: true } } } });
// @ts-expect-error no rule
defineContract({ name: "x", actions: { a: { ...open, params: { flag: true } } } });
// @ts-expect-error of a rule
defineContract({ name: "x", actions: { a: { ...open, params: { text: MISSPELT } } } });
// @ts-expect-error of a rule of this type
defineContract({ name: "x", actions: { a: { ...open, params: { kind: WRONG_TYPE } } } });
// @ts-expect-error of a rule in short
defineContract({ name: "x", actions: { a: { ...open, params: { text: "string|maximum:5" } } } });
// @ts-expect-error of a rule in short of this type
defineContract({ name: "x", actions: { a: { ...open, params: { id: "uuid|max:5" } } } });
// @ts-expect-error of a rule of an array's items
defineContract({ name: "x", actions: { a: { ...open, params: { list: arrayOf(MISSPELT) } } } });
// @ts-expect-error of a rule of a field
defineContract({ name: "x", actions: { a: { ...open, params: { o: objectOf(MISSPELT) } } } });
// @ts-expect-error of a rule of a record's values
defineContract({ name: "x", actions: { a: { ...open, params: { o: recordOf(MISSPELT) } } } });
// @ts-expect-error of a result
defineContract({ name: "x", actions: { a: { ...open, params: {}, result: objectOf(MISSPELT) } } });
// @ts-expect-error of an event
defineContract({ name: "x", actions: {}, emits: { e: { ...told, params: {}, durably: true } } });
// @ts-expect-error of a rule of an event
defineContract({ name: "x", actions: {}, emits: { e: { ...told, params: { o: MISSPELT } } } });
// @ts-expect-error of a handler's access
defineContract({ name: "x", actions: {}, events: { e: { ...heard, permission: "x:write" } } });

const toAll = { event: "told", to: "all" } as const;
const byClient = { event: "asked", names: {} } as const;
defineContract({
  name: "x",
  actions: { a: { ...open, params: {}, socket: byClient } },
  emits: { e: { ...told, params: {}, socket: toAll } },
  rooms: { everyone: ["lobby"] },
});
const oddToAll = { ...toAll, room: "id" } as const;
const oddByClient = { ...byClient, room: "id" } as const;
// @ts-expect-error of a server's event
defineContract({ name: "x", actions: {}, emits: { e: { ...told, params: {}, socket: oddToAll } } });
// @ts-expect-error of a client's event
defineContract({ name: "x", actions: { a: { ...open, params: {}, socket: oddByClient } } });

const toSubscribers = {
  auth: "required",
  params: { id: "uuid|optional" },
  visible: { user: "id" },
} as const;
const withId = { ...told, params: { id: "uuid" } } as const;
const subscribed = { ...withId, subscribe: toSubscribers } as const;
const oddSubscribed = { ...withId, subscribe: { ...toSubscribers, permission: "x:read" } } as const;
const oddFilter = {
  ...withId,
  subscribe: { ...toSubscribers, params: { to: "uuid|optional" } },
} as const;
const oddVisible = { ...withId, subscribe: { ...toSubscribers, visible: { user: "to" } } } as const;
const visibleToNobody = { ...withId, subscribe: { auth: "required" } } as const;
defineContract({ name: "x", actions: {}, emits: { e: subscribed } });
// @ts-expect-error of a subscription
defineContract({ name: "x", actions: {}, emits: { e: oddSubscribed } });
// @ts-expect-error a filter that is no parameter of the event
defineContract({ name: "x", actions: {}, emits: { e: oddFilter } });
// @ts-expect-error a user that is no parameter of the event
defineContract({ name: "x", actions: {}, emits: { e: oddVisible } });
// @ts-expect-error who may see it has no default
defineContract({ name: "x", actions: {}, emits: { e: visibleToNobody } });
// @ts-expect-error of rooms
defineContract({ name: "x", actions: {}, rooms: { everybody: ["lobby"] } });

// and what contracts know is none
defineContract({
  name: "spelt",
  permissions: { write: titled },
  actions: {
    write: {
      ...open,
      auth: "required",
      permissions: "spelt:write",
      roles: ["admin"],
      params: {
        text: { type: "string", min: 1, pattern: /a/, optional: true },
        short: "string|optional|max:5|pattern:^\\d$",
        rows: { type: "array", items: { type: "object", props: { id: "uuid" } }, max: 5 },
        data: { type: "record", key: "string", value: "any", optional: true },
      },
    },
  },
  emits: { told: { description: "", params: { id: "uuid" } } },
  events: { told: { restricted: ["users"], auth: "none" } },
});

// a route is for the gateway unless it says otherwise, and its literals keep their types
const routed = defineContract({
  name: "routed",
  actions: {
    make: route({
      rest: "POST /api/routed",
      description: "",
      auth: "required",
      params: { text: "string", tags: "string[]", kind: { type: "enum", values: ["a", "b"] } },
      result: { type: "object", props: { id: "uuid" } },
    }),
    drop: route({
      rest: "DELETE /api/routed/:id",
      restricted: null,
      description: "",
      auth: "none",
      params: { id: "uuid" },
      result: null,
    }),
  },
});

export const routedHandlers: Handlers<typeof routed> = {
  actions: {
    make: async (ctx) => {
      const kind: "a" | "b" = ctx.params.kind;
      return { id: ctx.locals.user.sub + kind + ctx.params.tags.length };
    },
    // @ts-expect-error the result is none
    drop: async (ctx) => ctx.params.id,
  },
};

const routable = { rest: "GET /api/x", description: "", auth: "none", result: null } as const;

// @ts-expect-error it is not said whether it needs a user
route({ rest: "GET /api/x", description: "", params: {}, result: null });
// @ts-expect-error a route needs a path
route({ description: "", auth: "none", params: {}, result: null });
// @ts-expect-error of an action
route({ ...routable, params: {}, permission: "x:write" });
// @ts-expect-error of a rule
route({ ...routable, params: { text: MISSPELT } });
// @ts-expect-error of a rule in short
route({ ...routable, params: { text: "string|maximum:5" } });
// @ts-expect-error no such rule
route({ ...routable, params: { id: "uuidd" } });

// examples are held to the contract
export const examples: Examples<typeof routed> = {
  make: { params: { text: "Hi", tags: [], kind: "a" }, result: { id: "…" } },
  drop: { params: { id: "…" } },
};
export const badExamples: Examples<typeof routed> = {
  // @ts-expect-error of another type
  make: { params: { text: "Hi", tags: [], kind: "c" } },
  // @ts-expect-error there is no result
  drop: { params: { id: "…" }, result: true },
};
// @ts-expect-error no such action
export const otherExamples: Examples<typeof routed> = { made: {} };
// @ts-expect-error no such part
export const oddExamples: Examples<typeof routed> = { drop: { param: {} } };

// errors are the application's or those of the contract
const withErrors = defineContract({
  name: "failing",
  errors: { NoteLocked: { code: 409, message: "" } },
  actions: { lock: { ...open, params: {}, errors: ["NoteLocked", "NotFound"] } },
});
console.assert(new ServiceError(withErrors, "NoteLocked").code);
// @ts-expect-error not declared by this contract
console.assert(new ServiceError(withErrors, "NoteLockd"));
// @ts-expect-error an error of the application
console.assert(new ServiceError(withErrors, "NotFound"));
// @ts-expect-error an error of a service
console.assert(new CitadelError("NoteLocked"));
// @ts-expect-error not declared by this contract
defineContract({ name: "x", actions: { a: { ...open, params: {}, errors: ["NoteLocked"] } } });
// @ts-expect-error the error while nobody can run it is one of the application's
defineContract({ name: "x", actions: { a: { ...open, params: {}, unavailable: "NoteLocked" } } });
// @ts-expect-error of an error
defineContract({ name: "x", errors: { Bad: { code: 409, message: "", status: 1 } }, actions: {} });

const HOURLY = { counts: "", per: "user", max: 1, seconds: 3_600 } as const;
defineContract({ name: "x", limits: { hourly: HOURLY }, actions: {} });
// @ts-expect-error of a limit
defineContract({ name: "x", limits: { hourly: { ...HOURLY, minutes: 1 } }, actions: {} });

const limited = { ...open, params: {}, limit: "hourly" } as const;
defineContract({ name: "x", limits: { hourly: HOURLY }, actions: { a: limited } });
// @ts-expect-error no such limit
defineContract({ name: "x", limits: { daily: HOURLY }, actions: { a: limited } });
