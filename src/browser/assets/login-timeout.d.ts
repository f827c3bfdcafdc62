/** Why the session ended. A server may name others. */
export type Reason = "idle" | "absolute" | "revoked" | "unknown" | (string & {});

/** What the server says of the session. */
export interface Status {
  state: "active" | "expired" | "anonymous";
  /** Why it ended, if it has. */
  reason: Reason | null;
  /** Time until it ends, by whichever limit comes first. Without a limit: `null`. */
  remainingMs: number | null;
  /** The idle timeout. */
  idleMs: number | null;
  /** Time until the absolute limit, which no activity moves. */
  absoluteRemainingMs: number | null;
  /** How long before the end the page should warn. */
  warnBeforeMs: number;
}

/** What the dialog says, and in which language. */
export interface Texts {
  /** The language of these texts, as in the attribute `lang`. */
  lang: string;
  dir: "ltr" | "rtl";
  /** The heading of a warning. */
  title: string;
  /** The session is about to end because nothing happens. */
  warn: string;
  /** The session is about to end because of its absolute limit. */
  limit: string;
  /** Stands before the time that is left. */
  left: string;
  stay: string;
  leave: string;
  ok: string;
  /** The server does not answer. */
  trouble: string;
  /** The heading when the session has ended. */
  ended: string;
  /** The session has ended because nothing happened. */
  idle: string;
  /** The session has ended because of its absolute limit. */
  absolute: string;
  /** The session has ended for another reason. */
  again: string;
  login: string;
}

export interface Options {
  /** How long before the end to warn, in ms; at least 20000. Without it, the server decides. */
  warnBefore?: number;
  /** Whether keys, the pointer, the wheel and touch extend the session. Default: `false`. */
  activity?: boolean;
  /** How often such activity is reported at most, in ms. Default: 30000. */
  touchEvery?: number;
  /**
   * What to hide when the session has ended: `true` for the whole body, or a selector. It is shown
   * again after a log-in. A log-in dialog of your own must not be inside. Default: nothing.
   */
  blank?: boolean | string;
  /**
   * Whether `fetch` and `XMLHttpRequest` wait for a log-in and then repeat once what was answered
   * with 440. Only requests to the page's own origin do. Default: `false`.
   */
  wrap?: boolean;
  /**
   * Lets somebody log in again without leaving the page. It resolves when that is done, and rejects
   * when it was given up. It must reject, too, if that is somebody else than before: what waits is
   * sent with the new session. `"popup"` opens `loginUrl` in a window of its own. Without this
   * option, the page goes to `loginUrl`.
   */
  login?: "popup" | ((reason: Reason) => unknown);
  /** The log-in page. Without it, the page is reloaded, and the server shows the way back in. */
  loginUrl?: string;
  /** The language of the dialog. Default: the one of the document, or else of the browser. */
  lang?: string;
  /** Texts in place of the ones that come with the module. */
  texts?: Partial<Texts>;
}

/**
 * Watches the session until the returned function is called.
 *
 * Further calls share one watch. Their options are added to the ones that are there.
 */
export function watch(options?: Options): () => void;

/** Asks the server now, for example after a log-in that did not reload the page. */
export function check(): Promise<Partial<Status>>;

/** A `fetch` that waits for a log-in as `wrap` describes, for when `fetch` itself should not. */
export const loginTimeoutFetch: typeof fetch;

declare global {
  interface DocumentEventMap {
    /**
     * The session has ended. It comes once for each end. After `preventDefault()` the module shows
     * nothing and leads nowhere, and the page does.
     */
    logintimeout: CustomEvent<{ reason: Reason }>;
  }
}
