const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  EFBIG: 'the file is as large as it may become (EFBIG)',
  ENOENT: 'there is no such file (ENOENT)',
  ENOSPC: 'no space left on the device (ENOSPC)',
  EPERM: 'not permitted (EPERM)',
  EROFS: 'the file system is read-only (EROFS)',
}

/** Why a system call failed, in words, with its code (errno(3)). Undefined for codes that are rare. */
export function errnoWords(code: string): string | undefined {
  return REASONS[code]
}
