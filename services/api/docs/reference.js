// Starts Swagger UI on the API reference page.

const { origin } = globalThis.location;
const darkMode = globalThis.matchMedia("(prefers-color-scheme: dark)");

const setTheme = () => document.documentElement.classList.toggle("dark-mode", darkMode.matches);
setTheme();
darkMode.addEventListener("change", setTheme);

const at = (document, path) => path.reduce((part, key) => part?.[key], document);

/** Replaces each `{"$ref": "#/..."}`. The API's document has no circular references. */
function resolveRefs(document, part) {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map((item) => resolveRefs(document, item));
  if (typeof part.$ref === "string")
    return resolveRefs(document, at(document, part.$ref.split("/").slice(1)));
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [key, resolveRefs(document, value)]),
  );
}

const citadel = () => ({
  fn: {
    // Swagger UI's own resolver needs seconds of CPU time for each operation (measured with 5.35)
    resolveSubtree: async (document, path) => ({
      spec: resolveRefs(document, at(document, path)) ?? null,
      errors: [],
    }),
  },
  statePlugins: {
    spec: {
      wrapActions: {
        // requests go to the origin of this page, since the content security policy refuses any other
        updateJsonSpec: (update) => (spec) => update({ ...spec, servers: [{ url: origin }] }),
      },
    },
  },
});

globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  plugins: [citadel],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  // sends no document to validator.swagger.io
  validatorUrl: null,
  // keeps tokens in memory only
  persistAuthorization: false,
});
