import { vi } from "vitest";
import type { AuditEvent } from "../../lib/audit/declared-events.ts";
import type { App } from "./app.ts";
import { administrator, request } from "./http.ts";

interface Query {
  event?: AuditEvent;
  userId?: string;
  address?: string;
}

/** The entries of the audit trail that match a query, newest first, once there are `count`. */
export async function auditOf(app: App, query: Query, count = 1): Promise<any[]> {
  const { token } = await administrator(app);
  const route = `GET /api/audit?${new URLSearchParams({ limit: "100", ...query }).toString()}`;
  return vi.waitFor(
    async () => {
      const { items } = (await request(app, route, { token })).body;
      if (items.length < count)
        throw new Error(`${route} finds ${items.length} entries, not ${count}.`);
      return items;
    },
    { timeout: 10_000, interval: 20 },
  );
}
