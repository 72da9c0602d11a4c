// Who is at this page. Read once, again after signing in or out; asking it is also what gives a guest their cookie.

import { signal, type Signal } from "@preact/signals";
import { getMe, type Me } from "./api";
import { isTransient, jitter, sleep } from "./http";

export const me: Signal<Me | null> = signal(null);

const ATTEMPTS = 5;

let asked: Promise<Me> | null = null;

/** The answer of the one request that is under way or done; failed ones are not kept. */
export function whoAmI(): Promise<Me> {
  asked ??= ask().catch((error: unknown) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** Forgets what was known: the person signed in, out or changed. */
export function askAgain(): Promise<Me> {
  asked = null;
  return whoAmI();
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
