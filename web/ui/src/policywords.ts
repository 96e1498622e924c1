// The gateway's own words for an end that a rule or a person has made, and what the page says in their place: with what
// can be done about it.

import type { Explanation } from './words.ts';

type Words = Partial<Explanation> & Pick<Explanation, 'title' | 'text'>;

/** bare is a text without what may differ between two that say the same: case, blanks and full stops. */
export function bare(text: string): string {
  return text.toLowerCase().replace(/[.!\s]+/g, ' ').trim();
}

const inUse: Words = {
  title: 'This display is in use',
  text: 'As many people use it as may at once. Try again later, or ask one of them to leave.',
  again: true,
};

/** known are the gateway's words, bare: package gateway has them (ending.go, review.go, times.go, busy.go, seats.go,
 * grant.go),
 * and of links the command (wire_capability.go). */
export const known: Readonly<Record<string, Words>> = {
  'your session was ended': {
    title: 'Your session was ended',
    text: 'Somebody who looks after this gateway ended it. Ask them if you do not know why.',
  },
  'your access to this display was withdrawn': {
    title: 'Your access was withdrawn',
    text:
      'It was taken back, or what it rested on no longer holds: a link, a certificate, an account. ' +
      'If you should still have it, ask whoever gave it to you.',
  },
  'this display is not open to you at this time': {
    title: 'Not at this time',
    text: 'You may use this display at other hours only. Come back then, or ask whoever runs the gateway.',
  },
  'your time on this display is over': {
    title: 'Your time is over',
    text: 'The link or the permission that you came by has run out. Ask whoever gave it to you for a new one.',
  },
  'your session has lasted as long as it may': {
    title: 'The session’s time is over',
    text: 'Sessions here last only so long. Connect again to begin a new one; your programs on the display are still running.',
    calm: true,
  },
  'your session ended because nothing was done in it for a while': {
    title: 'Ended, since nothing was done',
    text: 'For a while there was no key and no click. Connect again to go on; your programs on the display are still running.',
    calm: true,
  },
  'another session took the place of this one': {
    title: 'Another session took this place',
    text: 'You or somebody else came in where there is room for so many only. To connect again may end that session in turn.',
  },
  'another viewer has taken this display for itself': {
    title: 'Another viewer took the display',
    text: 'Somebody opened it without sharing, which ends all other sessions. Ask them, or try again later.',
  },
  'another viewer has this display for itself try again later': {
    title: 'Another viewer has the display',
    text: 'Somebody opened it without sharing, so that nobody else can come in. Ask them, or try again later.',
    again: true,
  },
  'this display is in use try again later': inUse,
  'this display is still in use try again later': inUse,
  'this display is in use, and too many wait for it already try again later': inUse,
  'the gateway cannot tell at the moment how many sessions there are try again in a few seconds': {
    title: 'The gateway lets nobody in for the moment',
    text:
      'Several gateways are one here, and what they count their sessions with does not answer. Your link and your password are in order, ' +
      'and whoever is in stays. Try again in a few seconds; if it stays like this, tell whoever runs the gateway.',
    again: true,
  },
  'you have as many sessions open as you may close one of them first': {
    title: 'Too many sessions of yours',
    text: 'You have as many open as you may. Close one of them, perhaps in another tab or on another device, then connect again.',
  },
  'there are as many sessions from your address as there may be close one of them first': {
    title: 'Too many sessions from here',
    text: 'From your network address there are as many as there may be. Close one of them, then connect again.',
  },
  'your rights on this display have changed connect again to go on': {
    title: 'Your rights have changed',
    text: 'You may do something more or less than before. Connect again to go on.',
    calm: true,
    again: true,
  },
  'the gateway could not make sure that you may still use this display': {
    title: 'Your access could not be confirmed',
    text: 'What the gateway asks who may come in does not answer. Try again in a moment.',
    again: true,
  },
  'this link was taken back': {
    title: 'This link was taken back',
    text: 'Whoever gave it to you, or looks after this gateway, has ended it. Ask them for a new one.',
    over: true,
  },
  'this link has been used as often as it may be ask for a new one': {
    title: 'This link is used up',
    text: 'It is good for so many sessions, and has had them. Ask whoever gave it to you for a new one.',
    over: true,
  },
  'this link is in use already close the other window, or ask for a new link': {
    title: 'This link is in use already',
    text: 'It is good for so many sessions at a time. Close the other window and connect again, or ask for a new link.',
    again: true,
  },
  'this link is too old ask for a new one': {
    title: 'This link has run out',
    text: 'It was good for a while only. Ask whoever gave it to you for a new one.',
    over: true,
  },
  'this link is not good any more, or never was ask for a new one': {
    title: 'This link is not good',
    text: 'It has run out, was taken back or was not copied whole. Open the link that you were given once more, or ask for a new one.',
    over: true,
  },
  'this link is not good any more, or not from where you are ask for a new one': {
    title: 'This link is not good here',
    text: 'It has run out, or may be used from other networks only. Ask whoever gave it to you.',
  },
  'this link lets you do nothing here ask for another one': {
    title: 'This link gives you no rights here',
    text: 'It is genuine, but nothing that it allows is allowed by this address of the gateway. Ask whoever gave it to you for another one.',
    over: true,
  },
  'this browser does not have the token any more open the link that you were given once more, or ask for a new one': {
    title: 'Open your link once more',
    text: 'This browser does not have what the link gave it any more. Open the link that you were given, or ask for a new one.',
    over: true,
  },
  'a token is needed here open the link that you were given once more, or ask for a new one': {
    title: 'A link is needed here',
    text: 'This address opens with a link only. Open the one that you were given, or ask for one.',
    over: true,
  },
  'whoever made this link may not use the display any more ask somebody else for a new one': {
    title: 'The maker of this link has no access any more',
    text: 'A link goes as far as whoever made it. Ask somebody else for a new one.',
    over: true,
  },
  'you may not use this display': {
    title: 'Not allowed',
    text: 'You may not use this display. If you should be able to, tell whoever runs the gateway.',
  },
};

const kicked: Words = {
  title: 'You were sent away',
  text: 'Somebody ended your session on purpose. To try again at once only makes the wait longer.',
};

/** policyWords are the page's words for what the gateway said; undefined if that is none of its own. */
export function policyWords(said: string): (Words & Pick<Explanation, 'said'>) | undefined {
  const words = Object.hasOwn(known, bare(said)) ? known[bare(said)] : undefined;
  if (words !== undefined) return { ...words, said: '' };
  return bare(said).startsWith('you were sent away') ? { ...kicked, said } : undefined;
}

/** isTimeOver tells whether the gateway said that what somebody came by has run out. */
export function isTimeOver(said: string): boolean {
  return bare(said) === 'your time on this display is over';
}
