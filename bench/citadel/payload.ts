/** The response of the measured request: 454 bytes of JSON, the same of every side. */
export const ITEM = {
  id: "5f6a37f5-8c3f-4f5f-9b2e-3c0d6f1a7e11",
  title: "What a signed-in request costs",
  author: { id: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11", name: "alice" },
  tags: ["benchmark", "gateway", "nats"],
  likes: 1_204,
  isPublished: true,
  createdAt: "2026-11-21T22:32:59.862Z",
  updatedAt: "2026-11-21T22:40:12.004Z",
  text: "x".repeat(140),
};
