import "./style.css";

import { exposeDebugApi } from "./debug";
import { Page } from "./page";

exposeDebugApi(new Page());
