# One image for every service; SERVICES says which one a container runs.
FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app

# a layer of its own: it changes with the dependencies only
COPY package.json package-lock.json .npmrc ./
COPY packages/service-guard/package.json packages/service-guard/
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev

COPY . .

# where mail lies without a server for it; the volume takes its owner and mode from here
RUN install -d -o node -g node -m 700 /data/mail

USER node
EXPOSE 3000
# node itself, not npm, so that SIGTERM reaches the broker, which then drains
CMD ["node", "--require", "./scripts/node-version.cjs", "node_modules/moleculer/bin/moleculer-runner.js", "--config", "moleculer.config.ts", "--mask", "**/*.service.ts"]
