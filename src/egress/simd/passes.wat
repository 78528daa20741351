;; Passes over bytes for which JavaScript takes several times as long. They answer "not here" or "maybe here"; whoever asks
;; looks at each place himself, so that nothing is decided in this file. Made into passes-module.ts by `npm run generate`.
;;
;; Memory, two pages that never grow:
;;        0 ..    511  tables of the pass, written by the caller
;;     4096 ..  36863  the bytes, at most 32768; behind them 64 more may be read and never count
;;    65536 .. 131071  what was found, offsets of 16 bits each
;; No pass finds more than one place for each byte, so that what is found has room. No pass keeps anything for the next.
(module
  (memory (export "memory") 2 2)

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
)
