# One image for all services; SERVICES names those that a container runs.
FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app

# a separate layer, which changes only with the dependencies
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
COPY packages/service-guard/package.json packages/service-guard/
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts && \
    find node_modules -name "*.map" -delete

COPY . .

# mails, if there is no mail server; the volume takes its owner and mode from here
RUN install -d -o node -g node -m 700 /data/mail

# Node's compiled code: a container starts in half of the time, and with 20 MB less
ENV NODE_COMPILE_CACHE=/app/.cache
RUN install -d -o node -g node $NODE_COMPILE_CACHE
USER node
RUN node scripts/compile.cjs

EXPOSE 3000 3030
# not npm, which does not forward SIGTERM: on SIGTERM the broker finishes its calls and stops
CMD ["node", "--require", "./scripts/node-version.cjs", "node_modules/moleculer/bin/moleculer-runner.js", "--config", "moleculer.config.ts", "--mask", "**/*.service.ts"]
