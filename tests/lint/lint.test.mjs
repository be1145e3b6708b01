// The checks themselves, and the tree as it stands.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codeOnly } from './files.mjs';
import { folderOf, problemsOf as includeProblems } from './includes.mjs';
import { problemsOf as protoProblems } from './proto.mjs';
import { checks } from './run.mjs';
import { problemsOf as textProblems } from './text.mjs';

describe('the tree', () => {
  for (const [name, check] of Object.entries(checks)) {
    test(name, { skip: check.whySkipped?.() ?? false }, () => assert.deepEqual(check.check(), []));
  }
});

describe('includes', () => {
  const one = (path, text) => includeProblems(path, text).map(p => p.replace(/^\S+ /, ''));

  test('knows the folders', () => {
    assert.equal(folderOf('native/http/transport.h'), 'http');
    assert.equal(folderOf('http/transport.h'), 'http');
    assert.equal(folderOf('native/connectors/git/client.cc'), 'connectors/git');
    assert.equal(folderOf('native/connectors/connector.h'), 'connectors');
    assert.equal(folderOf('vector'), null);
  });

  test('upwards and sideways are refused, downwards is fine', () => {
    assert.deepEqual(one('native/http/a.cc', '#include "base/status.h"\n'), []);
    assert.equal(one('native/http/a.cc', '#include "costs/service.h"\n').length, 1);
    assert.equal(one('native/http/a.cc', '#include "store/store.h"\n').length, 1);
    assert.deepEqual(one('native/costs/a.cc', '#include "inventory/inventory.h"\n'), []);
    assert.equal(one('native/costs/a.cc', '#include "provisioning/service.h"\n').length, 1);
    assert.equal(one('native/connectors/git/a.cc', '#include "connectors/http/b.h"\n').length, 1);
    assert.deepEqual(one('native/connectors/git/a.cc', '#include "connectors/connector.h"\n'), []);
  });

  test('libraries stay in their folders', () => {
    for (const header of ['node_api.h', 'grpcpp/grpcpp.h', 'purser/v1/costs.pb.h', 'boost/asio.hpp', 'sqlite3.h']) {
      assert.equal(one('native/costs/a.cc', `#include <${header}>\n`).length, 1, header);
    }
    assert.deepEqual(one('native/addon/a.cc', '#include <node_api.h>\n'), []);
  });

  test('guards, exceptions, threads', () => {
    assert.equal(one('native/base/a.h', '#ifndef X_H_\n#define X_H_\n').length, 1);
    assert.deepEqual(one('native/base/a.h', '#ifndef PURSER_BASE_A_H_\n#define PURSER_BASE_A_H_\n'), []);
    assert.equal(one('native/base/a.cc', 'void F() { throw 1; }\n').length, 1);
    assert.deepEqual(one('native/base/a.cc', '// we never throw\nauto s = "throw"; auto r = R"x(throw)x";\n'), []);
    assert.equal(one('native/http/a.cc', 'std::mutex m;\n').length, 1);
    assert.equal(one('native/addon/a.cc', 'void F() { std::abort(); }\n').length, 1);
    assert.deepEqual(one('native/addon/a.cc', 'void F() { hooks.abort(x); }\n'), []);
  });

  test('blanking keeps lines', () => {
    const text = 'a /* x\ny */ "q\\"uo" \'\\\'\' // end\nb R"(raw\n")" c';
    assert.equal(codeOnly(text).split('\n').length, text.split('\n').length);
    assert.match(codeOnly(text), /c$/);
    assert.doesNotMatch(codeOnly(text), /uo|end|raw|y/);
  });
});

describe('text', () => {
  test('finds what must not be there', () => {
    const later = 'TO' + 'DO';
    assert.equal(textProblems('a.cc', `// ${later}: later\n`).length, 1);
    assert.equal(textProblems('a.cc', 'x \n').length, 1);
    assert.equal(textProblems('a.md', 'x  \n').length, 0);
    assert.equal(textProblems('a.cc', 'x').length, 1);
    assert.equal(textProblems('a.cc', 'x\u202E\n').length, 1);
    assert.deepEqual(textProblems('a.cc', 'int todo_list;\n'), []);
  });
});

describe('proto', () => {
  test('wants a comment at every declaration', () => {
    const text = [
      'syntax = "proto3";', '// A.', 'message A {', '  string a = 1;', '  // B.',
      '  repeated B b = 2;', '  map<string, string> c = 3;', '  string d = 4;  // D.', '}',
      'enum E {', '  E_UNSPECIFIED = 0;', '  E_ONE = 1;', '}', 'service S {', '  rpc R(A) returns (A);', '}',
    ].join('\n');
    assert.deepEqual(
      protoProblems('x.proto', text).map(p => /: (\w+) has/.exec(p)[1]),
      ['a', 'c', 'E', 'E_ONE', 'S', 'R'],
    );
  });
});
