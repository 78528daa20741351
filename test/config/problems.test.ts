/**
 * What is wrong is said with line and column: at the key where the key is wrong, at the value where the value is,
 * at the enclosing mapping where a key is missing. All problems of a file are said at once, in its order.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problem.ts'
import { CageError } from '../../src/errors.ts'
import { configProblems } from './config-problems.ts'

type Catalogue = Readonly<Record<string, readonly [text: string, ...problems: readonly string[]]>>

const KEYS: Catalogue = {
  'an unknown key, at the key': ['name: a\nfoo: 1\n', '2:1: unknown key "foo"'],
  'with the nearest known one': ['domans: {}\n', '1:1: unknown key "domans" (did you mean "domains"?)'],
  'in a section': [
    'logging:\n  dns_queris: true\n',
    '2:3: unknown key "dns_queris" in logging (did you mean "dns_queries"?)',
  ],
  'in an entry of a list': [
    'domains:\n  list:\n    - a.example\n    - {host: b.example, prts: [1]}\n',
    '4:25: unknown key "prts" in domains.list[1] (did you mean "ports"?)',
  ],
  'letter case is an edit too': ['Name: a\n', '1:1: unknown key "Name" (did you mean "name"?)'],
  'several of them': [
    'foo: 1\nname: a\nnaem: 2\n',
    '1:1: unknown key "foo"',
    '3:1: unknown key "naem" (did you mean "name"?)',
  ],
  'that would rewrite a terminal line': ['"\\u001b[2K\\u202ename": 1\n', '1:1: unknown key "\\u001b[2K\\u202ename"'],
  'a missing key, at the mapping': [
    'secret_injection:\n  - inject_to: ["*"]\n',
    '2:5: secret_injection[0].env is missing',
  ],
  'two missing keys': [
    'secret_injection: [{}]\n',
    '1:20: secret_injection[0].env is missing',
    '1:20: secret_injection[0].inject_to is missing',
  ],
  'a key of a free mapping, at the key': [
    'container:\n  env:\n    1A: x\n',
    '3:5: container.env.1A: the key must be a name such as LOG_LEVEL',
  ],
  'an inspector of its own that has the name of one that is built in': [
    'inspectors:\n  - {name: entropy, config: {threshold: 5}}\n',
    '2:12: inspectors[0].name "entropy" is built in; its settings are in entropy',
  ],
  'an inspector without a file': [
    'inspectors: [{name: mine}]\n',
    '1:21: inspectors[0] has no path, and no inspector "mine" is built in',
  ],
  'two inspectors of one name': [
    'inspectors:\n  - {name: mine, path: a.ts}\n  - {name: mine, path: b.ts}\n',
    '3:12: inspectors[1].name "mine" is already inspectors[0]',
  ],
  'an inspector whose name is none': [
    'inspectors: [{name: "a b", path: a.ts}]\n',
    '1:21: inspectors[0].name must be a name such as ticket-numbers',
  ],
  'a destination that is none': [
    'upstream: {connect_to: {api.test: "127.0.0.1:1"}}\n',
    '1:25: upstream.connect_to["api.test"]: the key must be host:port, such as api.test:443',
  ],
}

const VALUES: Catalogue = {
  'an enumeration, with the nearest value': [
    'domains:\n  mode: allow-list\n',
    '2:9: domains.mode must be "allowlist" or "blocklist", not "allow-list" (did you mean "allowlist"?)',
  ],
  'an enumeration, with nothing near': [
    'isolation: docker\n',
    '1:12: isolation must be "process", "container", "microvm" or "firecracker", not "docker"',
  ],
  'text for a mapping': ['domains: allowlist\n', '1:10: domains must be a mapping, not "allowlist"'],
  'a section without content': ['domains:\nname: a\n', '1:9: domains must be a mapping, not empty'],
  'a list without content': ['domains:\n  list:\n', '2:8: domains.list must be a list, not empty'],
  'a mapping for a list': ['secret_injection:\n  rules: []\n', '2:3: secret_injection must be a list, not a mapping'],
  'a list for a mapping': ['logging: []\n', '1:10: logging must be a mapping, not a list'],
  'yes is not true in YAML 1.2': [
    'logging: {dns_queries: yes}\n',
    '1:24: logging.dns_queries must be true or false, not "yes"',
  ],
  'text for a number': ['max_request_body: 10MB\n', '1:19: max_request_body must be a number, not "10MB"'],
  'a fraction': ['max_request_body: 1.5\n', '1:19: max_request_body must be a whole number, not 1.5'],
  'too little': ['rate_limit: {burst: -1}\n', '1:21: rate_limit.burst must be at least 0'],
  'too much': ['max_request_body: 99999999999\n', '1:19: max_request_body must be at most 1073741824'],
  'no number at all': ['rate_limit: {burst: .inf}\n', '1:21: rate_limit.burst must be a number, not Infinity'],
  'a port in quotes': ['ports: {tcp: {allow: ["443"]}}\n', '1:23: ports.tcp.allow[0] must be a number, not "443"'],
  'a port out of range': [
    'ports: {tcp: {allow: [0, 65536]}}\n',
    '1:23: ports.tcp.allow[0] must be at least 1',
    '1:26: ports.tcp.allow[1] must be at most 65535',
  ],
  'a name in the words of the original': [
    'name: My_Cage\n',
    '1:7: name must be 1-63 lowercase alphanumeric characters or hyphens, starting with a letter or digit',
  ],
  'an address that is none': ['dns_servers: [dns.example]\n', '1:15: dns_servers[0] must be an IP address'],
  'a range that is none': [
    'upstream: {allow_addresses: [10.0.0.0/33]}\n',
    '1:30: upstream.allow_addresses[0] must be an address or a range, such as 10.1.0.0/16 or fd00::/8',
  ],
  'a proxy that is none, without repeating its password': [
    'upstream: {proxy: "socks5://user:hunter2@proxy"}\n',
    '1:19: upstream.proxy must be an http:// or https:// URL',
  ],
  'memory in words': ['container: {memory: much}\n', '1:21: container.memory must be a size such as 512m or 4g'],
  'memory of another type': [
    'container: {memory: [1]}\n',
    '1:21: container.memory must be text or a number, not a list',
  ],
  'an environment that is not text': [
    'container: {env: {A: [1]}}\n',
    '1:22: container.env.A must be text, a number or true or false, not a list',
  ],
}

const HOSTS: Catalogue = {
  'a wildcard': [
    'domains: {list: ["*.example.com"]}\n',
    '1:18: domains.list[0] must not start with "*.": "example.com" already matches its subdomains',
  ],
  'a URL': ['domains:\n  list:\n  - https://a.example/\n', '3:5: domains.list[0] must be a host name, not a URL'],
  'a name with a port': [
    'domains: {list: ["a.example:443"]}\n',
    '1:18: domains.list[0] must be a host name or an address, such as api.example.com',
  ],
  'a U-label': ['domains: {list: [bücher.example]}\n', '1:18: domains.list[0] must be written as an A-label (xn--…)'],
  'a homograph that lower case would hide': [
    'domains: {list: [\u212Aube.example]}\n',
    '1:18: domains.list[0] must be written as an A-label (xn--…)',
  ],
  'a number in disguise': [
    'domains: {list: ["0x7f.1"]}\n',
    '1:18: domains.list[0] must be a host name or an address, such as api.example.com',
  ],
  'a number': ['domains: {list: [1]}\n', '1:18: domains.list[0] must be text or a mapping, not 1'],
  nothing: ['domains:\n  list:\n    -\n', '3:6: domains.list[0] must be text or a mapping, not empty'],
  'a list': ['domains: {list: [[a.example]]}\n', '1:18: domains.list[0] must be text or a mapping, not a list'],
  'an entry without host': ['domains: {list: [{}]}\n', '1:18: domains.list[0].host is missing'],
  'an entry with everything wrong': [
    'domains:\n  list:\n    - host: a b\n      ports: []\n      methods: [get]\n      paths: [v1]\n      expires: tomorrow\n',
    '3:13: domains.list[0].host must be a host name or an address, such as api.example.com',
    '4:14: domains.list[0].ports must have at least 1 entry',
    '5:17: domains.list[0].methods[0] must be a method in capitals, such as GET',
    '6:15: domains.list[0].paths[0] must start with /',
    '7:16: domains.list[0].expires must be a time with its zone, such as 2026-01-31T18:00:00Z',
  ],
  'a time without its zone': [
    'domains: {list: [{host: a.example, expires: 2026-01-31T18:00:00}]}\n',
    '1:45: domains.list[0].expires must be a time with its zone, such as 2026-01-31T18:00:00Z',
  ],
}

const SECRETS: Catalogue = {
  'a placeholder that is given and made': [
    'secret_injection: [{env: A, inject_to: ["*"], placeholder: decoy-decoy, format: like}]\n',
    '1:73: secret_injection[0].format is for placeholders that are generated; leave out one of the two',
  ],
  'another format': [
    'secret_injection: [{env: A, inject_to: ["*"], format: likely}]\n',
    '1:55: secret_injection[0].format must be "like", not "likely"',
  ],
  'nowhere to inject': [
    'secret_injection: [{env: A, inject_to: []}]\n',
    '1:40: secret_injection[0].inject_to must name at least one host; write ["*"] to mean every host',
  ],
  'a wildcard that is not "*"': [
    'secret_injection: [{env: A, inject_to: ["**"]}]\n',
    '1:41: secret_injection[0].inject_to[0] must be a host name or an address, such as api.example.com',
  ],
  'every host by plain HTTP': [
    'secret_injection: [{env: A, inject_to: ["http://*"]}]\n',
    '1:41: secret_injection[0].inject_to[0] must be "*" alone for every host, which get a value by https only',
  ],
  'every host by plain HTTP, in a mapping': [
    'secret_injection: [{env: A, inject_to: [{host: "*", scheme: http}]}]\n',
    '1:61: secret_injection[0].inject_to[0].scheme must not be http for every host: name the hosts that speak nothing else',
  ],
  'a host with its scheme and a port': [
    'secret_injection: [{env: A, inject_to: ["http://a.example:8080"]}]\n',
    '1:41: secret_injection[0].inject_to[0] must be http:// and a host; ports and paths stand in {host, scheme, ports, paths}',
  ],
  'a scheme that is neither': [
    'secret_injection: [{env: A, inject_to: [{host: a.example, scheme: ftp}]}]\n',
    '1:67: secret_injection[0].inject_to[0].scheme must be "https" or "http", not "ftp"',
  ],
  'a host that is no text': [
    'secret_injection: [{env: A, inject_to: [5]}]\n',
    '1:41: secret_injection[0].inject_to[0] must be "*", text or a mapping, not 5',
  ],
  'a name that no environment takes': [
    'secret_injection: [{env: A-B, inject_to: ["*"]}]\n',
    '1:26: secret_injection[0].env must be a name such as ANTHROPIC_API_KEY',
  ],
  'a placeholder that is too short': [
    'secret_injection: [{env: A, placeholder: abc, inject_to: ["*"]}]\n',
    '1:42: secret_injection[0].placeholder must have at least 8 characters, so that it cannot occur by chance',
  ],
  'one secret twice': [
    'secret_injection:\n- {env: A, inject_to: [a.example]}\n- {env: A, inject_to: [b.example]}\n',
    '3:9: secret_injection[1].env "A" is already the secret of secret_injection[0]',
  ],
  'one placeholder twice': [
    'secret_injection:\n- {env: A, placeholder: placeholder, inject_to: ["*"]}\n- {env: B, placeholder: placeholder, inject_to: ["*"]}\n',
    '3:25: secret_injection[1].placeholder is the same as the placeholder of secret_injection[0]',
  ],
  'a placeholder inside another': [
    'secret_injection:\n- {env: A, placeholder: xplaceholderx, inject_to: ["*"]}\n- {env: B, placeholder: placeholder, inject_to: ["*"]}\n',
    '3:25: secret_injection[1].placeholder is contained in the placeholder of secret_injection[0]',
  ],
  'a placeholder inside one that will be generated': [
    'secret_injection:\n- {env: A, inject_to: ["*"]}\n- {env: B, placeholder: "agentcage:secret:", inject_to: ["*"]}\n',
    '3:25: secret_injection[1].placeholder is contained in the placeholder of secret_injection[0]',
  ],
}

const TOGETHER: Catalogue = {
  'a destination in two spellings': [
    'upstream:\n  connect_to:\n    api.test:443: 127.0.0.1:1\n    API.test.:443: 127.0.0.1:2\n',
    '4:5: upstream.connect_to: "API.test.:443" is the same destination as "api.test:443"',
  ],
  'a number that YAML would change': [
    'container: {env: {VERSION: 1.10, MODE: 0o644, FINE: 12, QUOTED: "1.10"}}\n',
    '1:28: container.env.VERSION would become "1.1"; write "1.10" in quotes',
    '1:40: container.env.MODE would become "420"; write "0o644" in quotes',
  ],
}

const CATALOGUES = { keys: KEYS, values: VALUES, hosts: HOSTS, secrets: SECRETS, 'values together': TOGETHER }

for (const [title, catalogue] of Object.entries(CATALOGUES)) {
  describe(title, () => {
    for (const [name, [text, ...expected]] of Object.entries(catalogue)) {
      test(name, () => assert.deepEqual(configProblems(text).map(shown), expected))
    }
  })
}

test('the message has one line for each problem, with the name of the file; the problems are its cause', () => {
  assert.throws(
    () => parseConfig('foo: 1\nname: A\n', 'dir/cage.yaml'),
    (error: unknown) => {
      assert.ok(error instanceof CageError)
      assert.equal(error.code, 'config_invalid')
      assert.equal(error.exitCode, 2)
      assert.match(error.message, /^dir\/cage\.yaml:1:1: unknown key "foo"\ndir\/cage\.yaml:2:7: name must be [^\n]*$/)
      assert.deepEqual(
        (error.cause as readonly Problem[]).map(({ path }) => path),
        ['foo', 'name'],
      )
      return true
    },
  )
})

test('a file with thousands of problems gets the first of them', () => {
  const text = Array.from({ length: 20_000 }, (_, index) => `k${index}: 1\n`).join('')
  assert.throws(
    () => parseConfig(text, 'cage.yaml'),
    /^CageError: cage\.yaml:1:1: unknown key "k0"\n(.*\n){49}cage\.yaml: and 50 more$/,
  )
})

function shown({ line, column, message }: Problem): string {
  return `${line}:${column}: ${message}`
}
