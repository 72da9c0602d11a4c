// One mail: as it looks in a mail program, and its plain text.

import { useEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { fullTime } from "../shared/when";
import type { Mail } from "../shared/api";

/** Links of the mail open beside this page, as those of a mail program do. */
const inNewTabs = (html: string): string => html.replace(/<head\b[^>]*>/i, (head) => `${head}<base target="_blank">`);

export function Letter({ mail }: { mail: Mail }): JSX.Element {
  const [plain, setPlain] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  // It was asked for: a screen reader goes on with it.
  useEffect(() => title.current?.focus({ preventScroll: true }), []);
  return (
    <article class="mb-letter">
      <header>
        <h2 ref={title} tabIndex={-1}>
          {mail.subject}
        </h2>
        <p class="mb-quiet num">
          to {mail.to} · {fullTime(mail.sent_at)}
        </p>
        <div class="mb-views" role="group" aria-label="Show the mail">
          <button type="button" aria-pressed={!plain} onClick={() => setPlain(false)}>
            As it looks
          </button>
          <button type="button" aria-pressed={plain} onClick={() => setPlain(true)}>
            Plain text
          </button>
        </div>
      </header>
      {plain ? (
        <pre class="mb-text" tabIndex={0} aria-label="The mail as plain text">
          {mail.text}
        </pre>
      ) : (
        <Look mail={mail} />
      )}
    </article>
  );
}

/** The frame runs no scripts; it is of our origin only so that it can be made as high as what it holds. */
function Look({ mail }: { mail: Mail }): JSX.Element {
  const frame = useRef<HTMLIFrameElement>(null);
  const fit = (): void => {
    const element = frame.current;
    const page = element?.contentDocument?.documentElement;
    if (!element || !page) return;
    element.style.height = "0";
    element.style.height = `${page.scrollHeight}px`;
  };
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let width = 0;
    const watch = new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      fit();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return (
    <iframe
      ref={frame}
      class="mb-look"
      title={`The mail “${mail.subject}”`}
      sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
      srcdoc={inNewTabs(mail.html)}
      onLoad={fit}
    />
  );
}
