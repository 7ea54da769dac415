// Command tool is the neutral ground of the benchmarks: a TLS sink that takes uploads and a client that sends them.
//
// Only the Go standard library is used, so that neither end costs what the system under test should show. Times are
// monotonic; sizes are bytes. Results are printed as one JSON object.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("tool sink|put|forms [flags]")
	}
	switch os.Args[1] {
	case "sink":
		sink(os.Args[2:])
	case "put":
		put(os.Args[2:])
	case "forms":
		forms(os.Args[2:])
	default:
		log.Fatalf("unknown subcommand %q", os.Args[1])
	}
}

// sink answers every request with 200 after it took the whole body, and counts what arrived.
func sink(arguments []string) {
	flags := flag.NewFlagSet("sink", flag.ExitOnError)
	certificate := flags.String("cert", "", "certificate file")
	key := flags.String("key", "", "key file")
	address := flags.String("listen", "127.0.0.1:0", "address")
	flags.Parse(arguments)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	pool := sync.Pool{New: func() any { buffer := make([]byte, 1<<18); return &buffer }}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buffer := pool.Get().(*[]byte)
		count, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, *buffer)
		pool.Put(buffer)
		if err != nil {
			return
		}
		w.Header().Set("x-bytes", fmt.Sprint(count))
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(server.ServeTLS(listener, *certificate, *key))
}

// body yields size pseudo-random bytes that no proxy can compress or find in an index.
type body struct {
	block []byte
	left  int64
	at    int
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.block[b.at:])
	if int64(n) > b.left {
		n = int(b.left)
	}
	b.at = (b.at + n) % len(b.block)
	b.left -= int64(n)
	return n, nil
}

func (b *body) Close() error { return nil }

type result struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Seconds  float64 `json:"seconds"`
	MBps     float64 `json:"mb_per_s"`
	Rate     float64 `json:"requests_per_s"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Status   int     `json:"last_status"`
}

func put(arguments []string) {
	flags := flag.NewFlagSet("put", flag.ExitOnError)
	target := flags.String("url", "", "https URL; %d is replaced by the request's number")
	proxy := flags.String("proxy", "", "http://host:port of the proxy; empty goes straight")
	roots := flags.String("ca", "", "PEM file of trusted roots")
	connect := flags.String("connect", "", "host:port to dial instead of the URL's (without a proxy)")
	size := flags.Int64("size", 4096, "bytes a request")
	count := flags.Int("n", 1, "requests in all")
	warm := flags.Int("warm", 0, "requests before the clock starts, on each connection")
	connections := flags.Int("connections", 1, "parallel kept-alive connections")
	flags.Parse(arguments)

	pool := trusted(*roots)
	block := make([]byte, 8<<20)
	rand.New(rand.NewSource(1)).Read(block)

	var next, failed atomic.Int64
	var status atomic.Int64
	send := func(client *http.Client, number int64) (time.Duration, bool) {
		address := *target
		if len(address) > 0 {
			address = replaceNumber(address, number)
		}
		started := time.Now()
		request, err := http.NewRequest("PUT", address, &body{block: block, left: *size, at: int(number*4099) % len(block)})
		if err != nil {
			log.Fatal(err)
		}
		request.ContentLength = *size
		response, err := client.Do(request)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 0, false
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		status.Store(int64(response.StatusCode))
		return time.Since(started), response.StatusCode == 200
	}

	var ready, done sync.WaitGroup
	start := make(chan struct{})
	times := make([][]time.Duration, *connections)
	ready.Add(*connections)
	done.Add(*connections)
	for worker := 0; worker < *connections; worker++ {
		go func(worker int) {
			defer done.Done()
			client := newClient(pool, *proxy, *connect)
			for i := 0; i < *warm; i++ {
				send(client, int64(1_000_000+i))
			}
			ready.Done()
			<-start
			for {
				number := next.Add(1) - 1
				if number >= int64(*count) {
					return
				}
				took, ok := send(client, number)
				if !ok {
					failed.Add(1)
				}
				times[worker] = append(times[worker], took)
			}
		}(worker)
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	elapsed := time.Since(began).Seconds()
	var all []time.Duration
	for _, some := range times {
		all = append(all, some...)
	}
	json.NewEncoder(os.Stdout).Encode(summed(all, failed.Load(), elapsed, *size, int(status.Load())))
}

// summed is what times say; elapsed of 0 means that nothing is to be said of a rate. It sorts them.
func summed(all []time.Duration, failed int64, elapsed float64, size int64, status int) result {
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	made := result{
		Requests: len(all), Errors: int(failed), Seconds: elapsed, P50: at(0.5), P99: at(0.99), Status: status,
	}
	if elapsed > 0 {
		made.MBps, made.Rate = float64(size)*float64(len(all))/1e6/elapsed, float64(len(all))/elapsed
	}
	return made
}

// trusted is the roots of a PEM file.
func trusted(roots string) *x509.CertPool {
	pem, err := os.ReadFile(roots)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// newClient keeps one connection, through a proxy or, without one, to connect instead of the URL's host.
func newClient(pool *x509.CertPool, proxy, connect string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1,
		WriteBufferSize: 1 << 16, ForceAttemptHTTP2: false,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	if proxy != "" {
		parsed, err := url.Parse(proxy)
		if err != nil {
			log.Fatal(err)
		}
		transport.Proxy = http.ProxyURL(parsed)
	} else if connect != "" {
		transport.Dial = func(network, _ string) (net.Conn, error) { return net.Dial(network, connect) }
	}
	return &http.Client{Transport: transport}
}

func replaceNumber(address string, number int64) string {
	for i := 0; i+1 < len(address); i++ {
		if address[i] == '%' && address[i+1] == 'd' {
			return address[:i] + fmt.Sprint(number) + address[i+2:]
		}
	}
	return address
}
