// What the API's page shows, and that it asks nobody but us.

// zod, in Scalar, would try whether it may make functions out of texts; the page's policy refuses that
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } });

addEventListener("DOMContentLoaded", () => {
  globalThis.Scalar.createApiReference("#reference", {
    url: "/openapi.json",
    // requests from the page go where the page came from, whatever name the API has elsewhere
    servers: [{ url: globalThis.location.origin }],
    authentication: { preferredSecurityScheme: "bearerAuth" },
    theme: "default",
    layout: "modern",
    defaultOpenFirstTag: true,
    hideModels: true,
    documentDownloadType: "json",
    defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
    orderSchemaPropertiesBy: "preserve",
    // nothing of others: no fonts, no counting, no helpers, no links into Scalar's own client
    withDefaultFonts: false,
    telemetry: false,
    agent: { disabled: true },
    mcp: { disabled: true },
    hideClientButton: true,
    showDeveloperTools: "never",
    // a token stays in this page's memory
    persistAuth: false,
  });
});
