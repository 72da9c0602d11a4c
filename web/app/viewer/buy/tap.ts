// A tap on Buy: over the room's line where that is a WebSocket, else over HTTP. The id of the hold makes it one tap, by
// whichever ways and however often it is asked.

import { putHold, type Hold } from "../../shared/api";
import { clockUncertainty, serverNow } from "../../shared/clock";
import { ApiError, isCode, sleep } from "../../shared/http";
import { CallError, type Room } from "../../shared/realtime";

export type TapLine = Pick<Room, "bySocket" | "call">;

/** A line that is dead does not say so, and who asks twice for the same hold only hears it twice. */
const ANSWER_MS = 3_000;
const NOBODY_KNOWN = 401;
/** A tap in the first moment of a release may reach a server whose clock says "not yet": asked again this often … */
const OPEN_RETRY_MS = 150;
/** … for as long as the clocks may differ, within these bounds. */
const OPEN_SLACK_MS = { least: 500, most: 2_000 };

/**
 * What it returns asks once. Only the first question goes over the line: what is lost there, or not known, is asked again
 * over HTTP, and so is all that must be asked often, of which the line takes little.
 */
export function tapper(line: TapLine, id: string, wish: Parameters<typeof putHold>[1], put: typeof putHold = putHold): () => Promise<Hold> {
  let first = true;
  return async () => {
    const bySocket = first && line.bySocket;
    first = false;
    if (bySocket) {
      const { show: _, ...tap } = wish;
      try {
        return await line.call("hold.put", { hold: id, ...tap }, { timeoutMs: ANSWER_MS });
      } catch (error) {
        const answer = answerIn(error);
        if (answer) throw answer;
      }
    }
    return put(id, wish);
  };
}

/** Two clocks are never the same: around the moment of a release "not open" is asked again, quietly, for that much. */
export async function whenOpen(opens: number | null, ask: () => Promise<Hold>): Promise<Hold> {
  const slack = Math.min(Math.max(clockUncertainty(), OPEN_SLACK_MS.least), OPEN_SLACK_MS.most);
  for (;;) {
    const asked = serverNow(); // it may have been judged at once, however long the answer takes
    try {
      return await ask();
    } catch (error) {
      if (!isCode(error, "not_open") || opens === null || Math.abs(asked - opens) > slack) throw error;
      await sleep(OPEN_RETRY_MS);
    }
  }
}

/** What the shop has said to the tap, as it says it over HTTP; null when nobody knows whether it heard of it. */
function answerIn(error: unknown): ApiError | null {
  if (!(error instanceof CallError)) return null;
  const { status } = error.data;
  // Who has no cookie on the line gets one over HTTP.
  if (typeof status !== "number" || status === NOBODY_KNOWN) return null;
  return new ApiError(status, error.code, error.message, error.retryAfterMs, { ...error.data, code: error.code, detail: error.message });
}
