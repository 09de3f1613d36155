export { createIdempotencyKeys as up } from "../../../lib/idempotency.ts";
