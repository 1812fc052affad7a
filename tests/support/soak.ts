// Long tests hold a smoke size here and their full count under `npm run soak`.

const SOAK = process.env.ISO_RUNTIME_TEST_SOAK === "1";

export const count = <T>(smoke: T, full: T): T => (SOAK ? full : smoke);
