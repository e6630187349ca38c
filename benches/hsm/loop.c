/* The bare loop that the crate is measured against: C_EncryptInit and C_Encrypt of 32 bytes, a session for each thread.
 *
 * It is loaded into a process that has initialised the module and is logged in, and is told slot and handles. For AES-CBC it
 * does what that scheme takes: an encryption, and an HMAC over what came of it. Types are written down here as the PKCS#11
 * standard defines them, so that no header has to be installed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef unsigned long number;
typedef struct { number kind; void *parameter; number length; } mechanism;
typedef struct { uint8_t *iv; number iv_length; number iv_bits; uint8_t *aad; number aad_length; number tag_bits; } gcm;
typedef number (*open_session)(number slot, number flags, void *application, void *notify, number *session);
typedef number (*close_session)(number session);
typedef number (*init)(number session, mechanism *how, number key);
typedef number (*transform)(number session, uint8_t *in, number in_length, uint8_t *out, number *out_length);

enum { AES_CBC = 0x1082, AES_GCM = 0x1087, SHA256_HMAC = 0x251, SERIAL = 4 };
enum { KEY = 32, AAD = 32, SHORT = 12, LONG = 16, TAG = 16, MAC = 32, MOST = 64 };

static init encrypt_init, sign_init;
static transform encrypt, sign;
static pthread_barrier_t ready;
static atomic_int stop, broken;

typedef struct { number session, aes, hmac; uint64_t count; } worker;

static int by_gcm(worker *w, uint8_t *key, uint8_t *aad, uint8_t *nonce) {
    uint8_t out[KEY + TAG + LONG];
    number length = sizeof out;
    gcm parameter = {nonce, SHORT, 8 * SHORT, aad, AAD, 8 * TAG};
    mechanism how = {AES_GCM, &parameter, sizeof parameter};
    return encrypt_init(w->session, &how, w->aes) || encrypt(w->session, key, KEY, out, &length) || length != KEY + TAG;
}

static int by_cbc(worker *w, uint8_t *key, uint8_t *aad, uint8_t *nonce) {
    uint8_t message[8 + AAD + LONG + KEY] = {0}, mac[MAC];
    number length = KEY, mac_length = MAC;
    mechanism cbc = {AES_CBC, nonce, LONG}, hmac = {SHA256_HMAC, 0, 0};
    message[7] = AAD;
    memcpy(message + 8, aad, AAD);
    memcpy(message + 8 + AAD, nonce, LONG);
    return encrypt_init(w->session, &cbc, w->aes) || encrypt(w->session, key, KEY, message + 8 + AAD + LONG, &length)
        || sign_init(w->session, &hmac, w->hmac) || sign(w->session, message, sizeof message, mac, &mac_length);
}

static void *work(void *given) {
    worker *w = given;
    uint8_t key[KEY] = {1}, aad[AAD] = {2}, nonce[LONG] = {3};
    pthread_barrier_wait(&ready);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        memcpy(nonce, &w->count, sizeof w->count);
        if (w->hmac ? by_cbc(w, key, aad, nonce) : by_gcm(w, key, aad, nonce)) {
            atomic_store(&broken, 1);
            break;
        }
        w->count++;
    }
    return 0;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Wraps a second with so many sessions; negative if the module refuses one. Without an HMAC key, which is 0 then, by AES-GCM. */
double wraps(const char *path, number slot, number aes, number hmac, int sessions, double seconds) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    open_session open = (open_session)dlsym(module, "C_OpenSession");
    close_session close = (close_session)dlsym(module, "C_CloseSession");
    encrypt_init = (init)dlsym(module, "C_EncryptInit");
    encrypt = (transform)dlsym(module, "C_Encrypt");
    sign_init = (init)dlsym(module, "C_SignInit");
    sign = (transform)dlsym(module, "C_Sign");
    worker workers[MOST];
    pthread_t threads[MOST];
    uint64_t done = 0;
    pthread_barrier_init(&ready, 0, (unsigned)sessions + 1);
    atomic_store(&stop, 0);
    atomic_store(&broken, 0);
    for (int i = 0; i < sessions; i++) {
        workers[i] = (worker){.aes = aes, .hmac = hmac};
        if (open(slot, SERIAL, 0, 0, &workers[i].session)) return -1;
        pthread_create(&threads[i], 0, work, &workers[i]);
    }
    double begun = now();
    pthread_barrier_wait(&ready);
    struct timespec pause = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&pause, 0);
    atomic_store(&stop, 1);
    for (int i = 0; i < sessions; i++) {
        pthread_join(threads[i], 0);
        done += workers[i].count;
    }
    double took = now() - begun;
    for (int i = 0; i < sessions; i++) close(workers[i].session);
    return atomic_load(&broken) ? -1 : (double)done / took;
}
