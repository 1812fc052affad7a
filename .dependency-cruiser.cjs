// Which folder of src may import which. The tables are the architecture; the rules below only spell them for dependency-cruiser.
// tests/architecture/layers.test.ts proves that each rule bites.

const L0 = ["model", "safefs"];
const L1 = ["sandbox", "workspace", "contract", "tools", "diagnostics", "comm", "records"];
const L2 = ["settings", "bundles"];

/** Below src: a folder, or a file of one where only that file is open to the importer. */
const MAY_IMPORT = {
  model: [],
  safefs: ["model"],
  ...Object.fromEntries(L1.map((folder) => [folder, L0])),
  settings: [...L0, "sandbox/profile.ts", "sandbox/backends.ts"],
  bundles: [...L0, "tools", "sandbox/profile.ts"],
  harness: [...L0, ...L1, ...L2],
  attack: [
    ...[...L0, "harness", "settings", "tools"],
    ...["sandbox/layers.ts", "sandbox/profile.ts", "workspace/scratch.ts"],
  ],
  bench: [
    ...[...L0, "harness", "settings", "workspace/scratch.ts", "sandbox/backends.ts"],
    ...["sandbox/linux/interpreter.ts", "sandbox/linux/spawn.ts"],
  ],
  http: ["harness", "bundles", "comm", "model"],
  client: ["http/schemas", "model"],
  cli: [
    ...["harness", "attack", "bench", "bundles", "http", "settings", "comm", "model"],
    ...["diagnostics/printable.ts", "sandbox/backend.ts", "sandbox/backends.ts"],
  ],
};

/** Packages that only one part of src may know. What is in no row here is free above L0. */
const HOME_OF_PACKAGE = {
  zod: null,
  ajv: "contract",
  "ajv-formats": "contract",
  "csv-parse": "contract",
  "file-type": "contract",
  mime: "contract",
  dockerode: "sandbox/docker",
  "tar-stream": "sandbox/docker",
  hono: "http",
  "@hono/node-server": "http",
  "@hono/zod-openapi": "http",
  yazl: "http",
  libsql: "records",
  commander: "cli",
  ora: "cli",
  picocolors: "cli",
};

/** The only files that start a process. */
const STARTS_PROCESSES = [
  "src/cli/daemon/start.ts",
  "src/sandbox/linux/spawn.ts",
  "src/workspace/kernel-lock.ts",
  "src/workspace/host-helper.ts",
];

/**
 * The only files outside safefs that touch the file system, each with what it touches. Files that a sandbox made or may have
 * touched are safefs' alone: a file here works on what no program reaches, or on descriptors that safefs opened.
 */
const TOUCHES_FILES = {
  "src/attack/scene.ts": "decoys of ours, and what of them is left afterwards",
  "src/attack/verdicts.ts": "/proc",
  "src/bundles/builtin.ts": "the package's own bundle",
  "src/bundles/bundle.ts": "a bundle, which the operator chose",
  "src/cli/bench-files.ts": "writes reports where the command line says",
  "src/cli/compile-cache.ts": "the folder of compiled code, in the user's own",
  "src/cli/compiled-code.ts": "files of the package, and code that was compiled of them",
  "src/cli/daemon/commands.ts": "the folder of our sockets; the descriptor that `daemon start` reads",
  "src/cli/daemon/connection.ts": "closes that folder",
  "src/cli/daemon/place.ts": "the folder of our sockets, in our own state; what identifies roots, config and code",
  "src/cli/daemon/server.ts": "the folder of our sockets",
  "src/cli/flags.ts": "files that the command line names",
  "src/cli/host-checks.ts": "the two roots themselves, looked at and not into",
  "src/cli/main.ts": "whether the package is built",
  "src/cli/program.ts": "the package's own description",
  "src/diagnostics/log-file.ts": "logs in a folder of the host's, until the run is over",
  "src/harness/acquire.ts": "makes the folder of those logs",
  "src/harness/known-choice.ts": "/proc, and which package this is",
  "src/harness/workspace-archive.ts": "streams files that safefs opened",
  "src/harness/workspaces.ts": "streams a file that safefs opened",
  "src/http/docs.ts": "the files of the API's page, which the package has",
  "src/http/page.ts": "the files of the page, which the package has",
  "src/records/api-keys.ts": "keys' digests in our own state",
  "src/records/database.ts": "our own state",
  "src/records/history.ts": "our own state",
  "src/records/journal-lines.ts": "our own state, or a copy that the operator named",
  "src/records/journal.ts": "our own state",
  "src/records/recent-lines.ts": "our own state",
  "src/records/run-files.ts": "our own state",
  "src/records/run-ids.ts": "our own state",
  "src/records/signing-key.ts": "keys in our own state, or where the operator named one",
  "src/records/spare-files.ts": "our own state",
  "src/records/whole-file.ts": "our own state",
  "src/sandbox/account-files.ts": "files of ours for a sandbox to read",
  "src/sandbox/bubblewrap/backend.ts": "closes the engine's descriptors",
  "src/sandbox/bubblewrap/engine.ts": "where bubblewrap is",
  "src/sandbox/bubblewrap/probe.ts": "what the host has",
  "src/sandbox/docker/host-init.ts": "/proc",
  "src/sandbox/docker/image.ts": "the package's Dockerfile",
  "src/sandbox/docker/path-map.ts": "a token in a folder of the host's, read back by a container",
  "src/sandbox/docker/runner-copy.ts": "a copy of the package's runner in our own state",
  "src/sandbox/host-users.ts": "who is who on the host",
  "src/sandbox/init-process.ts": "/proc: a kept look at a process that ends",
  "src/sandbox/known-facts.ts": "what was found out about this host, in our own state",
  "src/sandbox/linux/access.ts": "who may enter which folder of the host",
  "src/sandbox/linux/cgroup-group.ts": "control groups",
  "src/sandbox/linux/cgroup-host.ts": "control groups",
  "src/sandbox/linux/cgroup.ts": "control groups",
  "src/sandbox/linux/compiled-packages.ts": "which files of our own packages are compiled",
  "src/sandbox/linux/engine-files.ts": "what the engine binds read-only, in our own state",
  "src/sandbox/linux/interpreter-mounts.ts": "the interpreter's folders",
  "src/sandbox/linux/interpreter.ts": "where interpreters are",
  "src/sandbox/linux/orphans.ts": "/proc",
  "src/sandbox/linux/refusal.ts": "what the host has",
  "src/sandbox/linux/root-layout.ts": "the host's own top-level folders",
  "src/sandbox/linux/without.ts": "what the host has",
  "src/sandbox/nameless-files.ts": "/proc",
  "src/sandbox/read-back.ts": "/proc",
  "src/sandbox/slot.ts": "moves the run's folders, which no program had yet; never looks into one",
  "src/sandbox/zygote/launcher.ts": "/proc, for the maps of ids",
  "src/settings/roots.ts": "whether the package is a checkout",
  "src/settings/settings.ts": "config files, which are refused below the roots",
  "src/tools/descriptor.ts": "a tools descriptor, which the operator chose",
  "src/workspace/apply-changes.ts": "makes folders in a tree of our own where no program is",
  "src/workspace/before.ts": "moves whole trees of our own state unopened",
  "src/workspace/bootstrap.ts": "makes and places a new sandbox folder; the old one is moved away unopened",
  "src/workspace/build-tree.ts": "writes a new tree where no program is; what it copies is opened by safefs",
  "src/workspace/copies-ahead.ts": "copies for the next run, in our own state",
  "src/workspace/diff.ts": "closes descriptors that safefs opened",
  "src/workspace/instance.ts": "our own state",
  "src/workspace/kept-copy.ts": "makes folders in a sandbox folder that no program is in",
  "src/workspace/kernel-lock.ts": "our own state",
  "src/workspace/known-twins.ts": "which folder of our own state is a twin",
  "src/workspace/last-folder.ts": "moves what no program is in any more",
  "src/workspace/layout.ts": "the roots and our own state",
  "src/workspace/live.ts": "makes a user's folder; nothing below it",
  "src/workspace/lock.ts": "our own state",
  "src/workspace/own-folder.ts": "folders of our own state",
  "src/workspace/past-file.ts": "closes descriptors that safefs opened",
  "src/workspace/place-file.ts": "names in trees of our own where no program is; what is copied is opened by safefs",
  "src/workspace/record-log.ts": "our own state",
  "src/workspace/recorded-tree.ts": "descriptors that safefs opened",
  "src/workspace/replace-live.ts": "names of whole trees in our own state, one level above any program's files",
  "src/workspace/scratch.ts": "our own state",
  "src/workspace/settled.ts": "inodes of whole trees in our own state",
  "src/workspace/small-file.ts": "our own state",
  "src/workspace/spare-folders.ts": "our own state",
  "src/workspace/sync-folders.ts": "our own state, and folders that hold whole trees",
  "src/workspace/trash.ts": "moves whole trees away unopened",
  "src/workspace/twin.ts": "names in trees of our own where no program is",
  "src/workspace/upload.ts": "a file in a folder of our own state, before it is anybody's",
  "src/workspace/version-folder.ts": "our own state",
};

const escapeRegExp = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const below = (path) => `^src/${escapeRegExp(path)}${path.endsWith(".ts") ? "$" : "/"}`;
const anyOf = (patterns) => patterns.join("|");
const inPackage = (name) => `(^|/)node_modules/${escapeRegExp(name)}/`;

const folders = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `layer-${folder}`,
  comment: `src/${folder} may import ${allowed.join(", ") || "nothing else of src"}.`,
  severity: "error",
  from: { path: below(folder) },
  to: { path: "^src/", pathNot: anyOf([below(folder), ...allowed.map(below)]) },
}));

const packages = Object.entries(HOME_OF_PACKAGE)
  .filter(([, home]) => home !== null)
  .map(([name, home]) => ({
    name: `home-of-${name}`,
    comment: `${name} is known to src/${home} only.`,
    severity: "error",
    from: { path: "^src/", pathNot: below(home) },
    to: { path: inPackage(name) },
  }));

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...folders,
    ...packages,
    {
      name: "no-unknown-folder",
      comment: "A new folder of src gets a row in MAY_IMPORT first.",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: anyOf(Object.keys(MAY_IMPORT).map(below)) },
      to: {},
    },
    {
      name: "lowest-layer-packages",
      comment: "model and safefs know zod and Node.js only.",
      severity: "error",
      from: { path: anyOf(L0.map(below)) },
      to: { dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg"], pathNot: inPackage("zod") },
    },
    {
      name: "client-is-by-itself",
      comment: "The client runs in browsers: of the rest it has types alone, of Node.js and packages nothing.",
      severity: "error",
      from: { path: below("client") },
      to: { pathNot: below("client"), dependencyTypesNot: ["type-only"] },
    },
    {
      name: "nobody-imports-the-client",
      comment: "It is for those outside.",
      severity: "error",
      from: { path: "^src/", pathNot: below("client") },
      to: { path: below("client") },
    },
    {
      name: "nobody-imports-the-entrance",
      comment: "index.ts is for those outside.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/index\\.ts$" },
    },
    {
      name: "index-exports-no-command",
      comment: "The library knows nothing of the command line.",
      severity: "error",
      from: { path: "^src/index\\.ts$" },
      to: { path: below("cli") },
    },
    {
      name: "processes-have-their-doors",
      comment: "A process is started by the files that STARTS_PROCESSES names.",
      severity: "error",
      from: { path: "^src/", pathNot: anyOf(STARTS_PROCESSES.map((path) => `^${escapeRegExp(path)}$`)) },
      to: { path: "^(node:)?child_process$" },
    },
    {
      name: "files-have-their-doors",
      comment: "Files are touched through src/safefs; who else may is in TOUCHES_FILES, with the reason.",
      severity: "error",
      from: {
        path: "^src/",
        pathNot: anyOf([below("safefs"), ...Object.keys(TOUCHES_FILES).map((path) => `^${escapeRegExp(path)}$`)]),
      },
      to: { path: "^(node:)?fs(/promises)?$" },
    },
    { name: "no-cycle", comment: "Types count too.", severity: "error", from: {}, to: { circular: true } },
    {
      name: "resolvable",
      comment: "What is built may not be there yet.",
      severity: "error",
      from: { path: "^(src|tests|scripts|web)/" },
      to: { couldNotResolve: true, pathNot: "^(\\.\\./)+dist/" },
    },
    {
      name: "src-needs-no-tests",
      comment: "What ships imports neither tests nor packages that only development has.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(tests|bench|examples|scripts|web)/" },
    },
    {
      name: "the-page-takes-types-alone",
      comment: "What runs in a browser is in web/; of src it knows what documents look like.",
      severity: "error",
      from: { path: "^web/" },
      to: { path: "^src/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "src-needs-no-dev-package",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules|^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
