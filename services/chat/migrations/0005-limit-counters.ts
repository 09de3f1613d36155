export { createLimitCounters as up } from "../../../lib/limits/counter-table.ts";
