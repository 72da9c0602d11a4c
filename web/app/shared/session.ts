// Who is at this page. Read once, again after signing in or out; asking it is also what gives a guest their cookie.

import { signal, type Signal } from "@preact/signals";
import { getMe, type Me } from "./api";
import { isTransient, jitter, sleep } from "./http";

export const me: Signal<Me | null> = signal(null);

const ATTEMPTS = 5;
/** Tabs of one browser share its cookies; what stands under this name only changes. */
const CHANGED = "rialto.session";

let asked: Promise<Me> | null = null;

/** The answer of the one request that is under way or done; failed ones are not kept. */
export function whoAmI(): Promise<Me> {
  asked ??= ask().catch((error: unknown) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** Forgets what was known: the person signed in, out or changed. The other tabs hear of it. */
export function askAgain(): Promise<Me> {
  asked = null;
  try {
    localStorage.setItem(CHANGED, String(Math.random()));
  } catch {
    // Nothing can be kept here: the other tabs learn it when they are loaded again.
  }
  return whoAmI();
}

/** Hears that the person signed in, out or changed in another tab, when this one has asked again. Returns the way off. */
export function onOtherTab(heard: () => void): () => void {
  const changed = ({ key }: StorageEvent): void => {
    if (key !== CHANGED) return;
    asked = null;
    whoAmI().then(heard, heard);
  };
  addEventListener("storage", changed);
  return () => removeEventListener("storage", changed);
}

async function ask(): Promise<Me> {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await getMe();
      me.value = answer;
      return answer;
    } catch (error) {
      if (!isTransient(error) || attempt + 1 >= ATTEMPTS) throw error;
      await sleep(jitter(attempt));
    }
  }
}
