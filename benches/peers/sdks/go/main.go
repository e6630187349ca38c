// The official AWS Encryption SDK for Go under a raw AES keyring.
//
// `sdk-go encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS` prints the seconds of COUNT messages as JSON.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygenerated"
	mpltypes "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
)

func main() {
	if len(os.Args) != 6 {
		panic("encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS")
	}
	side, size, frameLength, count := os.Args[1], number(os.Args[2]), number(os.Args[3]), number(os.Args[4])
	warm := time.Duration(must(strconv.ParseFloat(os.Args[5], 64)) * float64(time.Second))
	sdk := newSdk(int64(frameLength))
	plaintext := bytes.Repeat([]byte{7}, size)
	message := sdk.encrypt(plaintext)
	if !bytes.Equal(sdk.decrypt(message), plaintext) {
		panic("the SDK does not give back what it was given")
	}
	for began := time.Now(); ; {
		start := time.Now()
		for range count {
			if side == "encrypt" {
				sdk.encrypt(plaintext)
			} else {
				sdk.decrypt(message)
			}
		}
		if took := time.Since(start); time.Since(began) >= warm {
			fmt.Printf("{\"seconds\": %v}\n", took.Seconds())
			return
		}
	}
}

type sdk struct {
	client      *esdk.Client
	keyring     mpltypes.IKeyring
	frameLength int64
}

func newSdk(frameLength int64) sdk {
	providers := must(mpl.NewClient(mpltypes.MaterialProvidersConfig{}))
	keyring := must(providers.CreateRawAesKeyring(context.Background(), mpltypes.CreateRawAesKeyringInput{
		KeyNamespace: "bench",
		KeyName:      "key",
		WrappingKey:  make([]byte, 32),
		WrappingAlg:  mpltypes.AesWrappingAlgAlgAes256GcmIv12Tag16,
	}))
	return sdk{must(esdk.NewClient(esdktypes.AwsEncryptionSdkConfig{})), keyring, frameLength}
}

func (s sdk) encrypt(plaintext []byte) []byte {
	// the same suite as ours: the default one signs as well
	suite := mpltypes.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey
	return must(s.client.Encrypt(context.Background(), esdktypes.EncryptInput{
		Plaintext:        plaintext,
		Keyring:          s.keyring,
		FrameLength:      &s.frameLength,
		AlgorithmSuiteId: &suite,
	})).Ciphertext
}

func (s sdk) decrypt(message []byte) []byte {
	return must(s.client.Decrypt(context.Background(), esdktypes.DecryptInput{
		Ciphertext: message,
		Keyring:    s.keyring,
	})).Plaintext
}

func number(text string) int {
	return must(strconv.Atoi(text))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
