// The vectors are those of the official clients' own tests (azure-sdk-for-net, PartitionResolverTests.cs).
import assert from 'node:assert/strict';
import test from 'node:test';
import { hash } from './hash.mjs';

test('keys hash as in the official clients', () => {
  const vectors = {
    7: -15263, 131: 30562, '7149583486996073602': 12977, FWfAT: -22341, sOdeEAsyQoEuEFPGerWO: -6503,
    '!c*_!I@1^c': 15372, 'p4*!jioeO/z-!-;w:dh': -3104, $0cb: 26269, '-4189260826195535198': 453,
    FAyAIctPeCgmiwLKbJcyswoHglHVjQdvtBowLACDNORsYvOcLddNJYDmhAVkbyLOrHTKLneMNcbgWVlasVywOByANjs: 5226,
  };
  for (const [key, value] of Object.entries(vectors)) {
    assert.equal(hash(key), value, key);
  }
});
