import { createBackends } from "../../src/sandbox/backends.js";
import { backendSuite } from "../suites/backend-suite.js";
import { realBackends } from "../support/backends.js";

for (const name of realBackends()) {
  backendSuite(name, (context) => {
    const backend = createBackends(context).get(name);
    if (!backend) throw new Error(`no backend ${name}`);
    return backend;
  });
}
