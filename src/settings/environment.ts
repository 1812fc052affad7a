// The process's environment and current folder. Nothing else reads either; who asks gets them from here, and loads nothing for it.

export interface Environment {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

export function processEnvironment(): Environment {
  return { env: process.env, cwd: process.cwd() };
}
