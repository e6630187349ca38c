import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CryptoAlgorithm;
import com.amazonaws.encryptionsdk.CryptoMaterialsManager;
import com.amazonaws.encryptionsdk.caching.CachingCryptoMaterialsManager;
import com.amazonaws.encryptionsdk.caching.LocalCryptoMaterialsCache;
import com.amazonaws.encryptionsdk.jce.JceMasterKey;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import javax.crypto.spec.SecretKeySpec;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.MaterialProviders;
import software.amazon.cryptography.materialproviders.model.AesWrappingAlg;
import software.amazon.cryptography.materialproviders.model.CreateRawAesKeyringInput;
import software.amazon.cryptography.materialproviders.model.MaterialProvidersConfig;

/**
 * The official AWS Encryption SDK for Java under a raw AES keyring, or with its caching on under a raw AES master key.
 *
 * <p>{@code Sdk keyring|caching encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS} prints the seconds of COUNT
 * messages as JSON.
 */
public final class Sdk {
  public static void main(String[] arguments) {
    if (arguments.length != 6) {
      throw new IllegalArgumentException("keyring|caching encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS");
    }
    AwsCrypto crypto =
        AwsCrypto.builder()
            // the same suite as ours: the default one signs as well
            .withEncryptionAlgorithm(CryptoAlgorithm.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY)
            .withEncryptionFrameSize(Integer.parseInt(arguments[3]))
            .build();
    byte[] plaintext = new byte[Integer.parseInt(arguments[2])];
    Arrays.fill(plaintext, (byte) 7);
    UnaryOperator<byte[]> encrypt;
    UnaryOperator<byte[]> decrypt;
    if (arguments[0].equals("caching")) {
      CryptoMaterialsManager manager = cachingManager();
      encrypt = data -> crypto.encryptData(manager, data).getResult();
      decrypt = data -> crypto.decryptData(manager, data).getResult();
    } else {
      IKeyring keyring = keyring();
      encrypt = data -> crypto.encryptData(keyring, data).getResult();
      decrypt = data -> crypto.decryptData(keyring, data).getResult();
    }
    byte[] message = encrypt.apply(plaintext);
    if (!Arrays.equals(decrypt.apply(message), plaintext)) {
      throw new IllegalStateException("the SDK does not give back what it was given");
    }
    boolean encrypting = arguments[1].equals("encrypt");
    int count = Integer.parseInt(arguments[4]);
    double seconds =
        seconds(
            encrypting ? encrypt : decrypt, encrypting ? plaintext : message, count, Double.parseDouble(arguments[5]));
    System.out.println("{\"seconds\": " + seconds + "}");
  }

  private static double seconds(UnaryOperator<byte[]> work, byte[] input, int count, double warm) {
    long began = System.nanoTime();
    while (true) {
      long start = System.nanoTime();
      for (int done = 0; done < count; done++) {
        work.apply(input);
      }
      long end = System.nanoTime();
      if (end - began >= warm * 1e9) {
        return (end - start) / 1e9;
      }
    }
  }

  private static CryptoMaterialsManager cachingManager() {
    SecretKeySpec key = new SecretKeySpec(new byte[32], "AES");
    return CachingCryptoMaterialsManager.newBuilder()
        .withMasterKeyProvider(JceMasterKey.getInstance(key, "bench", "key", "AES/GCM/NoPadding"))
        .withCache(new LocalCryptoMaterialsCache(100))
        .withMaxAge(1, TimeUnit.HOURS)
        .build();
  }

  private static IKeyring keyring() {
    return MaterialProviders.builder()
        .MaterialProvidersConfig(MaterialProvidersConfig.builder().build())
        .build()
        .CreateRawAesKeyring(
            CreateRawAesKeyringInput.builder()
                .keyNamespace("bench")
                .keyName("key")
                .wrappingKey(ByteBuffer.wrap(new byte[32]))
                .wrappingAlg(AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16)
                .build());
  }
}
