/*
 * Loaded before the C library, it is /dev/nsm as the kernel's linux/nsm.h describes it, to whoever opens that: a request comes back
 * behind one more byte.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct nsm_iovec {
  uint64_t addr;
  uint64_t len;
};

struct nsm_raw {
  struct nsm_iovec request;
  struct nsm_iovec response;
};

int open(const char *path, int flags, ...) {
  (void)flags;
  return strcmp(path, "/dev/nsm") == 0 ? 1000 : -1;
}

int ioctl(int device, unsigned long command, struct nsm_raw *raw) {
  if (device != 1000 || command != 0xC0200A00 || raw->request.len > 0x1000 || raw->response.len != 0x3000) return -1;
  uint8_t *response = (uint8_t *)(uintptr_t)raw->response.addr;
  response[0] = 0xA1;
  memcpy(response + 1, (const void *)(uintptr_t)raw->request.addr, raw->request.len);
  raw->response.len = raw->request.len + 1;
  return 0;
}
