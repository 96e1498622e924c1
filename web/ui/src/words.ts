// What the page tells its user when a connection cannot be made or has ended: what happened, and what to do next.

import { closeCode, type Ending } from './ending.ts';
import { bare, isTimeOver, policyWords } from './policywords.ts';
import { upgradeRequired, type Refusal } from './refusal.ts';
import { shown } from './url.ts';

/** Explanation is an Ending in words. */
export interface Explanation {
  title: string;
  /** What happened, and what can be done about it. */
  text: string;
  /** What the other side said, in its own words and language. */
  said: string;
  /** Nothing is wrong: the session is over as it should be. */
  calm: boolean;
  /** Connecting again may help without anyone doing anything. */
  again: boolean;
  /** Other credentials may help: ask for them next time. */
  ask: boolean;
  /** Connecting again cannot help, whoever does it: the link is over. */
  over: boolean;
}

type Words = Partial<Explanation> & Pick<Explanation, 'title' | 'text'>;

const ended: Words = {
  title: 'Disconnected',
  text: 'You have ended the session.',
  calm: true,
};

/** explain puts an ending into words; secure is whether the page came by https. */
export function explain(ending: Ending, secure: boolean): Explanation {
  const words = { said: '', calm: false, again: false, ask: false, over: false, ...pick(ending, secure) };
  return bare(words.said) === bare(words.title) ? { ...words, said: '' } : words;
}

function pick(ending: Ending, secure: boolean): Words {
  if (ending.wanted) return ended;
  if (ending.error !== undefined) return untried(ending, secure);
  if (!ending.opened) return unopened(ending);
  if (ending.security !== undefined) return refusedBySecurity(ending, ending.security);
  return closed(ending);
}

// The browser would not even try.
function untried(ending: Ending, secure: boolean): Words {
  if (secure && ending.url?.protocol === 'ws:') {
    return {
      title: 'Blocked by the browser',
      text:
        'This page came over https, so the browser allows encrypted connections only. ' +
        'Turn on “Encrypt” in the connection details, or use a wss:// address.',
    };
  }
  return {
    title: 'The address is not valid',
    text: 'Check host, port and path in the connection details.',
    said: ending.error ?? '',
  };
}

function at(ending: Ending): string {
  return ending.url === undefined ? 'the gateway' : shown(ending.url);
}

// The WebSocket was refused or never reached anyone.
function unopened(ending: Ending): Words {
  const refusal: Refusal = ending.refusal ?? { kind: 'silence' };
  switch (refusal.kind) {
    case 'offline':
      return {
        title: 'No network',
        text: 'This device is offline. Check its network connection, then connect again.',
        again: true,
      };
    case 'silence':
      return {
        title: 'The gateway does not answer',
        text:
          'Nothing answers at ' +
          at(ending) +
          '. The gateway may be stopped or restarting, or the network between you and it is down. ' +
          'Try again in a moment; if it stays like this, tell whoever runs the gateway.',
        again: true,
      };
    case 'foreign':
      return foreign(ending);
    case 'answer':
      return { said: refusal.words, ...status(refusal, ending) };
  }
}

// Another origin may not be asked for the reason; name what it usually is.
function foreign(ending: Ending): Words {
  const encrypted = ending.url?.protocol === 'wss:';
  const certificate =
    'this browser does not trust its certificate (open its https:// address in a new tab to see), ' +
    'or it does not let this site in. ';
  const plain = 'it wants an encrypted connection, or it does not let this site in. ';
  return {
    title: 'No connection to ' + (ending.url?.host ?? 'the gateway'),
    text:
      'Browsers do not tell why. Most often the name or the port is wrong, nothing listens there, ' +
      (encrypted ? certificate : plain) +
      'Check host and port in the connection details.',
    again: true,
  };
}

const byStatus: Record<number, Words> = {
  400: {
    title: 'The gateway did not understand the request',
    text: 'The link may be wrong, or a proxy between you and the gateway changes WebSocket requests. Tell whoever gave you the link.',
  },
  401: {
    title: 'Please log in',
    text: 'The gateway wants to know who you are. Log in and load this page again; a link may have run out, then ask for a new one.',
  },
  403: {
    title: 'Not allowed',
    text: 'You, or the site that this page came from, may not use this display. If you should be able to, tell whoever runs the gateway.',
  },
  404: {
    title: 'No such display',
    text: 'The gateway knows nothing at this address. Check the link, or the path in the connection details.',
  },
  405: {
    title: 'No gateway at this address',
    text: 'There is a web server, but it does not accept viewers here. Check the path in the connection details.',
  },
  429: {
    title: 'Too many connections',
    text: 'You have as many connections as you may have, or made them too quickly. Close another one or wait a moment.',
    again: true,
  },
  502: {
    title: 'The gateway is not running',
    text: 'A proxy answers, but the gateway behind it does not. It may be restarting; try again in a moment.',
    again: true,
  },
  503: {
    title: 'The gateway is full',
    text: 'It has as many sessions as it may have, or it is about to restart. Try again in a moment.',
    again: true,
  },
};
byStatus[410] = {
  title: 'This link has been used up',
  text: 'It has run out or was good for one connection only. Ask for a new one.',
};
byStatus[504] = byStatus[502] as Words;

// What the gateway says of an address; a proxy's 400 has no words of ours.
const wrongLink: Words = {
  title: 'The link cannot be right',
  text: 'The gateway gave this reason:',
};

const badLink: Words = {
  title: 'The link was not accepted',
  text: 'It may have run out, or been used up, or be for another display. Ask for a new one.',
};

const notLookedUp: Words = {
  title: 'The display could not be looked up',
  text: 'The gateway is there, but what tells it where displays are does not answer. Try again in a moment.',
  said: '',
  again: true,
};

// What the gateway says where it has no place left: web/refusal.go. Any other words are of somebody who has closed it.
const aboutPlaces = /\bis full\b|short of memory|are taken/i;

const closedHouse: Words = {
  title: 'The gateway lets nobody in now',
  text: 'Whoever runs it gave this reason. Who is in may stay for now; try again later.',
  again: true,
};

function status(refusal: Refusal & { kind: 'answer' }, ending: Ending): Words {
  const { status: code, words: said, byToken = false } = refusal;
  const policy = byToken && code === 403 ? policyWords(said) : undefined;
  if (policy !== undefined) return policy;
  if (byToken && code === 403) return said === '' ? badLink : { ...badLink, text: 'The gateway gave this reason:' };
  if (code === 400 && said !== '') return wrongLink;
  if (byToken && code === 502 && said !== '') return notLookedUp; // a proxy's 502 has no words of ours
  if (code === upgradeRequired) {
    return {
      title: 'The connection did not come about',
      text:
        'The gateway is there and would accept you, but the WebSocket to it could not be opened. ' +
        'Try again; if it happens each time, a proxy or a browser extension in between does not let WebSockets through' +
        (ending.url?.protocol === 'wss:' ? ', or this browser does not trust the certificate for them.' : '.'),
      again: true,
    };
  }
  if (code === 503 && said !== '' && !aboutPlaces.test(said)) return closedHouse;
  const known = byStatus[code];
  if (known !== undefined) return known;
  if (code >= 200 && code < 300) {
    return {
      title: 'No gateway at this address',
      text: at(ending) + ' is an ordinary web page. Check the path in the connection details.',
    };
  }
  return {
    title: 'The gateway refused the connection',
    text: `It answered with HTTP status ${code}. Try again later, or tell whoever runs the gateway.`,
    again: code >= 500,
  };
}

// Reasons come as text, in no fixed form; these words in them mean that the credentials are at fault.
const aboutCredentials = /auth|password|passwd|credential|log ?in|user ?name/i;

function refusedBySecurity(ending: Ending, security: { status: number; reason: string }): Words {
  const said = security.reason;
  const policy = policyWords(said);
  if (policy !== undefined) return policy;
  const gateways = ofGateway(ending, said);
  if (gateways !== undefined) return { ...gateways, said };
  if (/too many/i.test(said)) {
    return {
      title: 'Too many attempts',
      text: 'After several wrong passwords the display refuses everyone for a while. Wait a minute before you try again.',
      said,
      ask: true,
    };
  }
  if (ending.credentialsSent && (said === '' || aboutCredentials.test(said))) {
    return {
      title: 'Wrong password',
      text: 'The user name or the password was not accepted, or you may not see this display. Check them (and Caps Lock), then try again.',
      said,
      ask: true,
    };
  }
  return {
    title: 'The connection was refused',
    text: said === '' ? 'The display refused without giving a reason.' : 'The display, or the gateway in its place, gave this reason:',
    said,
    ask: ending.credentialsSent,
  };
}

// What the gateway's own close codes mean, whether words of the RFB handshake went before them or not.
function ofGateway(ending: Ending, said: string): Words | undefined {
  switch (ending.code) {
    case closeCode.goingAway:
    case closeCode.restart:
      return stopping;
    case closeCode.tryLater:
      return full;
    case closeCode.displayUnreachable:
      if (ending.connected) return displayLost;
      return bare(said) === notLetIn ? noEntry : unreachable;
    default:
      return undefined;
  }
}

const stopping: Words = {
  title: 'The gateway is shutting down or restarting',
  text: 'It ended all sessions. If it is to come back, connect again in a moment; else ask whoever runs the gateway.',
  again: true,
};

const full: Words = {
  title: 'The gateway is full',
  text: 'It has as many sessions as it may have. Try again later.',
  again: true,
};

// The gateway's words for a display that answered, and refused it: gateway/target.go.
const notLetIn = 'the display did not let the gateway in';

const noEntry: Words = {
  title: 'The gateway could not log in to the display',
  text:
    'The display answers, but does not accept what the gateway has to log in with. ' +
    'Trying again will not help; tell whoever runs the gateway.',
};

const unreachable: Words = {
  title: 'The display cannot be reached',
  text:
    'The gateway works, but the display behind it does not answer. ' +
    'The machine may be switched off or still starting; try again in a moment.',
  again: true,
};

// A link whose time is over opens nothing again; an account may.
function byLink(ending: Ending): boolean {
  const query = ending.url?.searchParams;
  return query !== undefined && (query.has('pass') || query.has('token'));
}

// The WebSocket was open and is closed now.
function closed(ending: Ending): Words {
  const said = ending.reason;
  const policy = policyWords(said);
  if (policy !== undefined) return isTimeOver(said) && byLink(ending) ? { ...policy, over: true } : policy;
  const gateways = ofGateway(ending, said);
  if (gateways !== undefined) return { ...gateways, said };
  switch (ending.code) {
    case closeCode.displayClosed:
    case closeCode.noStatus:
      return { ...displayClosed(ending), said };
    case closeCode.policy:
      return {
        title: 'The session was ended',
        text: 'An administrator or a rule of the gateway ended it: your access may have run out or have been taken back.',
        said,
      };
    case 0:
    case closeCode.protocolError:
    case closeCode.tooBig:
      return {
        title: 'The display sent something unexpected',
        text:
          'What came back is not the VNC protocol, or it was damaged on the way. ' +
          'Check that the address leads to a VNC display; the browser console has the details.',
        said,
      };
    default:
      return { ...broken(ending), said };
  }
}

const displayLost: Words = {
  title: 'The display was lost',
  text: 'The gateway lost its connection to the display. The machine may have been switched off or be restarting.',
  again: true,
};

function displayClosed(ending: Ending): Words {
  if (!ending.connected) {
    return {
      title: 'The display closed the connection',
      text: 'It ended the connection before the picture came. It may allow one viewer only, or be shutting down.',
      again: true,
    };
  }
  return {
    title: 'The display ended the session',
    text: 'The display closed the connection: it was shut down, you logged out there, or another viewer took over.',
    calm: true,
    again: true,
  };
}

function broken(ending: Ending): Words {
  if (ending.code !== closeCode.abnormal) {
    return {
      title: 'The connection was closed',
      text: `The gateway closed the connection with code ${ending.code}.`,
      again: true,
    };
  }
  return {
    title: ending.connected ? 'The connection was lost' : 'The connection broke off',
    text:
      'The network between you and the gateway failed, or the gateway stopped suddenly. ' +
      'Your programs on the display are still running.',
    again: true,
  };
}
