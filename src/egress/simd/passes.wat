;; Passes over bytes for which JavaScript takes several times as long. `triples` and `words` answer "not here" or "maybe
;; here", and whoever asks looks at each place himself; what they do not answer is not looked at. `compact` takes bytes out
;; of a text, and what it writes is the text that is searched. Made into passes-module.ts by `npm run generate`.
;;
;; Memory, two pages that never grow:
;;        0 ..    511  tables of the pass, written by the caller
;;      512 ..   2559  for `compact`: by a mask of eight bits the numbers of those that are 1, ascending, a byte each
;;     4096 ..  36863  the bytes, at most 32768; behind them 64 more may be read and never count
;;    65536 .. 131071  what was found, offsets of 16 bits each, or bytes
;; No pass finds more than one place for each byte, so that what is found has room. No pass keeps anything for the next.
;;
;; A set of bytes is two tables of 16 bytes, by the lower and by the upper half of a byte: it is in the set where both have
;; a bit in common.
(module
  (memory (export "memory") 2 2)

  ;; How far the last `compact` read.
  (global $read (export "read") (mut i32) (i32.const 0))

  ;; Writes the number of each bit of $bits plus $base at $to; returns where the next one goes.
  (func $emit (param $bits i64) (param $base i32) (param $to i32) (result i32)
    (loop $next
      (if (i64.ne (local.get $bits) (i64.const 0))
        (then
          (i32.store16 (local.get $to) (i32.add (local.get $base) (i32.wrap_i64 (i64.ctz (local.get $bits)))))
          (local.set $to (i32.add (local.get $to) (i32.const 2)))
          (local.set $bits (i64.and (local.get $bits) (i64.sub (local.get $bits) (i64.const 1))))
          (br $next))))
    (local.get $to))

  ;; How many offsets were written up to $to.
  (func $count (param $to i32) (result i32)
    (i32.shr_u (i32.sub (local.get $to) (i32.const 65536)) (i32.const 1)))

  ;; Of $bits the lowest $count, which is at least 1.
  (func $lowest (param $bits i64) (param $count i32) (result i64)
    (if (result i64) (i32.ge_s (local.get $count) (i32.const 64))
      (then (local.get $bits))
      (else
        (i64.and (local.get $bits)
          (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $count))) (i64.const 1))))))

  ;; For each of 16 bytes at $at, what both tables say: $low by the lower half of the byte, $high by its upper half.
  (func $both (param $at i32) (param $low v128) (param $high v128) (result v128)
    (local $bytes v128)
    (local.set $bytes (v128.load (local.get $at)))
    (v128.and
      (i8x16.swizzle (local.get $low) (v128.and (local.get $bytes) (i8x16.splat (i32.const 15))))
      (i8x16.swizzle (local.get $high) (i8x16.shr_u (local.get $bytes) (i32.const 4)))))

  ;; A bit for each of 16 lanes that is not 0.
  (func $set (param $lanes v128) (result i32)
    (i8x16.bitmask (i8x16.ne (local.get $lanes) (v128.const i64x2 0 0))))

  ;; Where three bytes in a row may be those of a bucket. The tables are, for the first, second and third of them, by lower
  ;; and by upper half the buckets that have such a byte there: six of 16 bytes, with a bit for each of eight buckets.
  (func (export "triples") (param $length i32) (result i32)
    (local $at i32) (local $end i32) (local $to i32) (local $bits i32)
    (local $low0 v128) (local $high0 v128) (local $low1 v128) (local $high1 v128) (local $low2 v128) (local $high2 v128)
    (local.set $low0 (v128.load (i32.const 0)))
    (local.set $high0 (v128.load (i32.const 16)))
    (local.set $low1 (v128.load (i32.const 32)))
    (local.set $high1 (v128.load (i32.const 48)))
    (local.set $low2 (v128.load (i32.const 64)))
    (local.set $high2 (v128.load (i32.const 80)))
    (local.set $to (i32.const 65536))
    (local.set $at (i32.const 4096))
    ;; Behind the last place with two more bytes after it.
    (local.set $end (i32.add (i32.const 4094) (local.get $length)))
    (loop $next
      (if (i32.lt_s (local.get $at) (local.get $end))
        (then
          (local.set $bits
            (call $set
              (v128.and
                (v128.and
                  (call $both (local.get $at) (local.get $low0) (local.get $high0))
                  (call $both (i32.add (local.get $at) (i32.const 1)) (local.get $low1) (local.get $high1)))
                (call $both (i32.add (local.get $at) (i32.const 2)) (local.get $low2) (local.get $high2)))))
          (if (local.get $bits)
            (then
              (local.set $to
                (call $emit
                  (call $lowest (i64.extend_i32_u (local.get $bits)) (i32.sub (local.get $end) (local.get $at)))
                  (i32.sub (local.get $at) (i32.const 4096))
                  (local.get $to)))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br $next))))
    (call $count (local.get $to)))

  ;; Of four words of four bytes at $at, those with bytes of the set only and a mix of kinds that is known. $kinds: by the
  ;; upper half of a byte a bit for its kind, of four; $mixes: by the kinds that are in a word, whether that is known, none
  ;; at all being 0.
  (func $known
    (param $at i32) (param $low v128) (param $high v128) (param $kinds v128) (param $mixes v128) (result i32)
    (local $mix v128)
    (local.set $mix (i8x16.swizzle (local.get $kinds) (i8x16.shr_u (v128.load (local.get $at)) (i32.const 4))))
    (local.set $mix (v128.or (local.get $mix) (i32x4.shr_u (local.get $mix) (i32.const 16))))
    (local.set $mix (v128.or (local.get $mix) (i32x4.shr_u (local.get $mix) (i32.const 8))))
    (i32x4.bitmask
      (v128.and
        (i32x4.ne
          (i8x16.swizzle (local.get $mixes) (v128.and (local.get $mix) (i32x4.splat (i32.const 15))))
          (v128.const i64x2 0 0))
        ;; No byte of it is outside of the set.
        (i32x4.eq
          (i8x16.eq (call $both (local.get $at) (local.get $low) (local.get $high)) (v128.const i64x2 0 0))
          (v128.const i64x2 0 0)))))

  ;; Which words, by number, may be among those that the tables are made from: a set, $kinds, $mixes.
  (func (export "words") (param $count i32) (result i32)
    (local $index i32) (local $at i32) (local $to i32) (local $bits i32)
    (local $low v128) (local $high v128) (local $kinds v128) (local $mixes v128)
    (local.set $low (v128.load (i32.const 0)))
    (local.set $high (v128.load (i32.const 16)))
    (local.set $kinds (v128.load (i32.const 32)))
    (local.set $mixes (v128.load (i32.const 48)))
    (local.set $to (i32.const 65536))
    (local.set $at (i32.const 4096))
    (loop $next
      (if (i32.lt_s (local.get $index) (local.get $count))
        (then
          (local.set $bits
            (i32.or
              (call $known
                (local.get $at)
                (local.get $low) (local.get $high) (local.get $kinds) (local.get $mixes))
              (i32.shl
                (call $known
                  (i32.add (local.get $at) (i32.const 16))
                  (local.get $low) (local.get $high) (local.get $kinds) (local.get $mixes))
                (i32.const 4))))
          (if (local.get $bits)
            (then
              (local.set $to
                (call $emit
                  (call $lowest
                    (i64.extend_i32_u (local.get $bits))
                    (i32.sub (local.get $count) (local.get $index)))
                  (local.get $index)
                  (local.get $to)))))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (local.set $index (i32.add (local.get $index) (i32.const 8)))
          (br $next))))
    (call $count (local.get $to)))

  ;; Writes those of the first 8 of $bytes that $kept has a bit for; returns where the next goes. All 8 may be written over.
  (func $keep (param $bytes v128) (param $kept i32) (param $to i32) (result i32)
    (v128.store64_lane 0 (local.get $to)
      (i8x16.swizzle
        (local.get $bytes)
        (v128.load64_zero offset=512 (i32.shl (local.get $kept) (i32.const 3)))))
    (i32.add (local.get $to) (i32.popcnt (local.get $kept))))

  ;; Copies the bytes from $from on and before $end that are not in the first set, to $written among what is found, up to the
  ;; first that is in the second set. Returns how far is written; `read` says how far was read.
  (func (export "compact") (param $from i32) (param $end i32) (param $written i32) (result i32)
    (local $kept i32) (local $stop i32) (local $count i32)
    (local $low v128) (local $high v128) (local $stopLow v128) (local $stopHigh v128)
    (local.set $low (v128.load (i32.const 0)))
    (local.set $high (v128.load (i32.const 16)))
    (local.set $stopLow (v128.load (i32.const 32)))
    (local.set $stopHigh (v128.load (i32.const 48)))
    (local.set $from (i32.add (local.get $from) (i32.const 4096)))
    (local.set $end (i32.add (local.get $end) (i32.const 4096)))
    (local.set $written (i32.add (local.get $written) (i32.const 65536)))
    (loop $next
      (if (i32.lt_s (local.get $from) (local.get $end))
        (then
          (local.set $kept
            (i32.xor (i32.const 65535)
              (call $set (call $both (local.get $from) (local.get $low) (local.get $high)))))
          (local.set $stop
            (call $set (call $both (local.get $from) (local.get $stopLow) (local.get $stopHigh))))
          (local.set $count (i32.sub (local.get $end) (local.get $from)))
          ;; The end stops it like a byte that stops.
          (if (i32.lt_s (local.get $count) (i32.const 16))
            (then (local.set $stop (i32.or (local.get $stop) (i32.shl (i32.const 1) (local.get $count))))))
          (local.set $count (i32.const 16))
          (if (local.get $stop)
            (then
              (local.set $count (i32.ctz (local.get $stop)))
              (local.set $kept
                (i32.and (local.get $kept)
                  (i32.sub (i32.shl (i32.const 1) (local.get $count)) (i32.const 1))))))
          (local.set $written
            (call $keep
              (v128.load (local.get $from))
              (i32.and (local.get $kept) (i32.const 255))
              (local.get $written)))
          (local.set $written
            (call $keep
              (v128.load (i32.add (local.get $from) (i32.const 8)))
              (i32.shr_u (local.get $kept) (i32.const 8))
              (local.get $written)))
          (local.set $from (i32.add (local.get $from) (local.get $count)))
          (br_if $next (i32.eqz (local.get $stop))))))
    (global.set $read (i32.sub (local.get $from) (i32.const 4096)))
    (i32.sub (local.get $written) (i32.const 65536)))

  ;; Of 64 bytes at $at, bit by bit, those that are in a set.
  (func $members (param $at i32) (param $low v128) (param $high v128) (result i64)
    (i64.or
      (i64.or
        (i64.extend_i32_u (call $set (call $both (local.get $at) (local.get $low) (local.get $high))))
        (i64.shl
          (i64.extend_i32_u
            (call $set (call $both (i32.add (local.get $at) (i32.const 16)) (local.get $low) (local.get $high))))
          (i64.const 16)))
      (i64.or
        (i64.shl
          (i64.extend_i32_u
            (call $set (call $both (i32.add (local.get $at) (i32.const 32)) (local.get $low) (local.get $high))))
          (i64.const 32))
        (i64.shl
          (i64.extend_i32_u
            (call $set (call $both (i32.add (local.get $at) (i32.const 48)) (local.get $low) (local.get $high))))
          (i64.const 48)))))

  ;; Where the first byte stands that is not in the set; $length when all are.
  (func (export "outside") (param $length i32) (result i32)
    (local $at i32) (local $low v128) (local $high v128) (local $bits i64)
    (local.set $low (v128.load (i32.const 0)))
    (local.set $high (v128.load (i32.const 16)))
    (loop $next
      (if (i32.lt_s (local.get $at) (local.get $length))
        (then
          (local.set $bits
            (call $lowest
              (i64.xor
                (i64.const -1)
                (call $members (i32.add (i32.const 4096) (local.get $at)) (local.get $low) (local.get $high)))
              (i32.sub (local.get $length) (local.get $at))))
          (if (i64.ne (local.get $bits) (i64.const 0))
            (then (return (i32.add (local.get $at) (i32.wrap_i64 (i64.ctz (local.get $bits)))))))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br $next))))
    (local.get $length))

  ;; $bits, moved up by $count; from below come the uppermost of the 64 before them.
  (func $moved (param $bits i64) (param $before i64) (param $count i64) (result i64)
    (i64.or
      (i64.shl (local.get $bits) (local.get $count))
      (i64.shr_u (local.get $before) (i64.sub (i64.const 64) (local.get $count)))))

  ;; Runs of at least eight bytes of the set: in turn where the eighth of one stands, and the first byte behind it. Where the
  ;; number is odd the last run goes on to the end.
  (func (export "runs") (param $length i32) (result i32)
    (local $at i32) (local $to i32) (local $low v128) (local $high v128) (local $edges i64)
    ;; Where one, two, four and eight in a row end, and the same of the 64 bytes before.
    (local $one i64) (local $two i64) (local $four i64) (local $eight i64)
    (local $oneBefore i64) (local $twoBefore i64) (local $fourBefore i64) (local $eightBefore i64)
    (local.set $low (v128.load (i32.const 0)))
    (local.set $high (v128.load (i32.const 16)))
    (local.set $to (i32.const 65536))
    (loop $next
      (if (i32.lt_s (local.get $at) (local.get $length))
        (then
          (local.set $one
            (call $members (i32.add (i32.const 4096) (local.get $at)) (local.get $low) (local.get $high)))
          (local.set $two
            (i64.and (local.get $one) (call $moved (local.get $one) (local.get $oneBefore) (i64.const 1))))
          (local.set $four
            (i64.and (local.get $two) (call $moved (local.get $two) (local.get $twoBefore) (i64.const 2))))
          (local.set $eight
            (i64.and (local.get $four) (call $moved (local.get $four) (local.get $fourBefore) (i64.const 4))))
          ;; Where it changes.
          (local.set $edges
            (call $lowest
              (i64.xor (local.get $eight) (call $moved (local.get $eight) (local.get $eightBefore) (i64.const 1)))
              (i32.sub (local.get $length) (local.get $at))))
          (if (i64.ne (local.get $edges) (i64.const 0))
            (then (local.set $to (call $emit (local.get $edges) (local.get $at) (local.get $to)))))
          (local.set $oneBefore (local.get $one))
          (local.set $twoBefore (local.get $two))
          (local.set $fourBefore (local.get $four))
          (local.set $eightBefore (local.get $eight))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br $next))))
    (call $count (local.get $to)))
)
