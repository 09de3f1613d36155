// openapi-typescript needs TypeScript's JS API, which TypeScript 7 does not have. ts-morph bundles the last version
// with this API, without a `tsc` that would replace the project's; an override in package.json allows both.
export { ts as default } from "@ts-morph/common";
