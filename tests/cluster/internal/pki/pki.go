// Package pki makes the certificates of one cluster. The authorities last as long as the data folder; what they sign is
// made anew at each start, so that a changed address of the machine needs no thought.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const validity = 10 * 365 * 24 * time.Hour

// Pair is a certificate with its private key.
type Pair struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// Request is what a certificate shall say. With names or addresses it is a server's, otherwise a client's.
type Request struct {
	CommonName    string
	Organizations []string
	Names         []string
	Addresses     []net.IP
}

// Authority reads NAME.crt and NAME.key of the folder, or makes them where they are missing or cut off.
func Authority(folder, name string) (Pair, error) {
	if pair, err := read(folder, name); err == nil {
		return pair, nil
	}
	template := template(Request{CommonName: name})
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = nil
	pair, err := sign(template, nil)
	if err != nil {
		return Pair{}, err
	}
	return pair, Write(folder, name, pair)
}

// Issue makes a certificate that the authority signs.
func Issue(authority Pair, request Request) (Pair, error) { return sign(template(request), &authority) }

func template(request Request) *x509.Certificate {
	usage := x509.ExtKeyUsageClientAuth
	if len(request.Names)+len(request.Addresses) > 0 {
		usage = x509.ExtKeyUsageServerAuth
	}
	now := time.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: request.CommonName, Organization: request.Organizations},
		DNSNames:              request.Names,
		IPAddresses:           request.Addresses,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
}

// sign makes the certificate with a new key; without an authority it signs itself.
func sign(template *x509.Certificate, authority *Pair) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return Pair{}, err
	}
	issuer := Pair{template, key}
	if authority != nil {
		issuer = *authority
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, key.Public(), issuer.Key)
	if err != nil {
		return Pair{}, err
	}
	certificate, err := x509.ParseCertificate(encoded)
	return Pair{certificate, key}, err
}

// CertificatePEM is the certificate as text.
func (pair Pair) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate.Raw})
}

// KeyPEM is the private key as text.
func (pair Pair) KeyPEM() ([]byte, error) {
	encoded, err := x509.MarshalECPrivateKey(pair.Key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), err
}

// Write puts NAME.crt and NAME.key into the folder; only the owner may read the key.
func Write(folder, name string, pair Pair) error {
	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, name+".key"), key, 0o600),
		os.WriteFile(filepath.Join(folder, name+".crt"), pair.CertificatePEM(), 0o644),
	)
}

// ServiceAccountKeys makes NAME.key and NAME.pub, which sign and check ServiceAccount tokens, unless they are there.
func ServiceAccountKeys(folder, name string) error {
	file := filepath.Join(folder, name+".pub")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pair, err := sign(template(Request{CommonName: name}), nil)
	if err != nil {
		return err
	}
	private, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(crypto.PublicKey(pair.Key.Public()))
	if err != nil {
		return err
	}
	// The public half is written last: where it is, the private one is complete.
	if err := os.WriteFile(filepath.Join(folder, name+".key"), private, 0o600); err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
}

func read(folder, name string) (Pair, error) {
	key, err := readBlock(filepath.Join(folder, name+".key"))
	if err != nil {
		return Pair{}, err
	}
	certificate, err := readBlock(filepath.Join(folder, name+".crt"))
	if err != nil {
		return Pair{}, err
	}
	var pair Pair
	if pair.Key, err = x509.ParseECPrivateKey(key); err != nil {
		return Pair{}, err
	}
	if pair.Certificate, err = x509.ParseCertificate(certificate); err != nil {
		return Pair{}, err
	}
	if !pair.Key.PublicKey.Equal(pair.Certificate.PublicKey) {
		return Pair{}, fmt.Errorf("%s.key does not belong to %s.crt in %s", name, name, folder)
	}
	return pair, nil
}

func readBlock(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", file)
	}
	return block.Bytes, nil
}
