export { createIdempotencyKeys as up } from "../../../lib/database/idempotency.ts";
