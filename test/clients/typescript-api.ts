// openapi-typescript needs TypeScript's JS API, which TypeScript 7 does not have. ts-morph bundles the last one that
// does, without a `tsc` that would take the project's place; an override in package.json lets both be installed.
export { ts as default } from "@ts-morph/common";
