/** What status messages tell about one arm: its alignment, its personal model, its signal. Older servers lack these. */

import type { Status } from "@myocast/client";

export type Alignment = NonNullable<Status["alignment"]>;
export type AlignmentResult = NonNullable<Alignment["result"]>;
export type Personal = NonNullable<Status["personal"]>;
export type Errors = Personal["before"];
export type Signal = NonNullable<Status["signal"]>;
export type ChannelState = Signal["channels"][number]["state"];
export type Labels = NonNullable<Status["labels"]>;
export type Prompt = NonNullable<Labels["prompt"]>;
