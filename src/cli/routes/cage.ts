import { buildRouteMap } from '@stricli/core'
import { auditRoute } from './audit.ts'
import { execRoute, shellRoute } from './cage-enter.ts'
import { listRoute, logsRoute, showRoute, verifyRoute } from './cage-look.ts'
import { createRoute, destroyRoute, editRoute, updateRoute } from './cage-make.ts'
import { reloadRoute, restartRoute, startRoute, stopRoute, superviseRoute } from './cage-run.ts'

/** Cages that stay: services of systemd. */
export const cageRoutes = buildRouteMap({
  docs: { brief: 'Make and look after cages that stay', hideRoute: { supervise: true } },
  routes: {
    create: createRoute,
    update: updateRoute,
    list: listRoute,
    show: showRoute,
    start: startRoute,
    stop: stopRoute,
    restart: restartRoute,
    reload: reloadRoute,
    edit: editRoute,
    exec: execRoute,
    shell: shellRoute,
    logs: logsRoute,
    audit: auditRoute,
    verify: verifyRoute,
    destroy: destroyRoute,
    supervise: superviseRoute,
  },
  aliases: { ls: 'list', ps: 'list', rm: 'destroy', describe: 'show', inspect: 'show', status: 'show' },
})
