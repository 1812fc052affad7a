// The tools of this bundle. `alias` is the global the snippet sees.
export default {
  tools: [{ alias: "local_tools", module: "./tools/local-tools.mjs" }],
};
