// The page begins: the token is taken out of the address before anything else.
import { render } from "preact";
import { Page } from "./page.js";
import { restore } from "./state/draft.js";
import { read } from "./state/route.js";
import { begin } from "./state/session.js";
import "./style/base.css";
import "./style/parts.css";
import "./style/frame.css";
import "./style/run.css";
import "./style/ansi.css";
import "./style/report.css";
import "./style/views.css";
import { listenToKeys } from "./ui/keys.js";

begin();
read();
restore();
listenToKeys();
addEventListener("popstate", read);
addEventListener("hashchange", () => {
  begin();
  read();
});
const place = document.getElementById("page");
if (place !== null) render(<Page />, place);
