// Where in the page one is. A reload, a link and the way back lead to the same place.
import { computed, signal } from "@preact/signals";
import { addressOf, type Place, parseRoute, type Route } from "./places.js";
import { isOthersKey, remember, user } from "./session.js";

const current = signal<Route>({ user: null, place: { view: "run", runId: null } });
export const place = computed(() => current.value.place);

export const addressTo = (to: Place): string => addressOf(to, user.value);

export function go(to: Place, { replace = false } = {}): void {
  const address = addressTo(to);
  if (replace) history.replaceState(null, "", address);
  else if (location.hash !== address) history.pushState(null, "", address);
  read();
}

export function actFor(name: string): void {
  user.value = name;
  isOthersKey.value = false;
  remember(name);
  go({ view: "run", runId: null });
}

export function read(): void {
  const route = parseRoute(location.hash);
  if (route.user !== null && route.user !== user.value) {
    user.value = route.user;
    remember(route.user);
  }
  current.value = route;
}
