import createClient from "openapi-fetch";
// written by openapi-typescript from the OpenAPI document of a running application
import type { components, paths } from "#api";

type ApiError = components["schemas"]["Error"];

/** Uses the API with the types that openapi-typescript has made from its OpenAPI document. */
export async function flow(baseUrl: string, username: string) {
  const api = createClient<paths>({ baseUrl });
  const password = "correct horse battery";

  const registered = await api.POST("/api/auth/register", {
    body: { username, email: `${username}@example.com`, password },
  });
  if (!registered.data) throw new Error(registered.error.message);

  const signedIn = await api.POST("/api/auth/login", { body: { username, password } });
  if (!signedIn.data) throw new Error(signedIn.error.message);
  const { access_token: token, user } = signedIn.data;

  const post = { title: "Typed", body: "By a generated client" };
  const refused = await api.POST("/api/posts", { body: post });
  const { type }: ApiError = refused.error ?? { name: "", message: "", code: 0, type: "NotFound" };

  const headers = { Authorization: `Bearer ${token}` };
  const created = await api.POST("/api/posts", { body: post, headers });
  if (!created.data) throw new Error(created.error.message);
  const { id, authorId, version } = created.data;

  const listed = await api.GET("/api/posts", { params: { query: { limit: 5 } } });
  const ids = listed.data?.items.map((item) => item.id) ?? [];

  const read = await api.GET("/api/posts/{id}", { params: { path: { id } } });

  // the types must reject each of these
  // @ts-expect-error a path that does not exist
  void (() => api.GET("/api/nonsense"));
  // @ts-expect-error a request body without a required field
  void (() => api.POST("/api/posts", { body: { title: "" } }));
  // @ts-expect-error a field that does not exist
  void (() => read.data?.nonsense);

  return { user: user.id, authorId, version, ids, id, title: read.data?.title, refusal: type };
}
