// The toy operator on controller-runtime, for the comparison in bench.ts. Its twin on our framework is operator.ts: the same kind, the same
// decision, the same patch. It reads the cluster from KUBECONFIG, its settings from flags, and answers each line on standard input with its
// counters as a line of JSON. It ends with SIGTERM or with the end of its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type counters struct {
	passes, patches, failures atomic.Int64
}

func (c *counters) line() []byte {
	text, err := json.Marshal(map[string]int64{"passes": c.passes.Load(), "patches": c.patches.Load(), "failures": c.failures.Load()})
	if err != nil {
		log.Fatal(err)
	}
	return append(text, '\n')
}

type statusPatch struct {
	Status WidgetStatus `json:"status"`
}

type widgetReconciler struct {
	client.Client
	run      string
	counters *counters
}

// Reconcile writes the status once for each generation and run. A second pass writes nothing.
func (r *widgetReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	r.counters.passes.Add(1)
	var widget Widget
	if err := r.Get(ctx, request.NamespacedName, &widget); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if widget.Status.ObservedGeneration == widget.Generation && widget.Status.Run == r.run {
		return ctrl.Result{}, nil
	}
	status := WidgetStatus{ObservedGeneration: widget.Generation, Count: widget.Status.Count + 1, Run: r.run}
	body, err := json.Marshal(statusPatch{Status: status})
	if err != nil {
		return ctrl.Result{}, err
	}
	// A ready-made body costs less than client.MergeFrom, which would work out the difference of two objects.
	if err := r.Status().Patch(ctx, &widget, client.RawPatch(types.MergePatchType, body)); err != nil {
		r.counters.failures.Add(1)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.counters.patches.Add(1)
	return ctrl.Result{}, nil
}

func main() {
	workers := flag.Int("workers", 8, "passes at the same time")
	run := flag.String("run", "", "what the status shall name")
	flag.Parse()
	if err := operate(*workers, *run); err != nil {
		log.Fatal(err)
	}
}

func operate(workers int, run string) error {
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scheme := runtime.NewScheme()
	if err := addToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// No limit on the client's side: its default of 20 requests a second would be all that is measured.
	config.QPS = -1
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
		// As our informers do by default.
		Cache: cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return err
	}
	reconciler := &widgetReconciler{Client: manager.GetClient(), run: run, counters: &counters{}}
	err = ctrl.NewControllerManagedBy(manager).
		For(&Widget{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	go answer(reconciler.counters, stop)
	if err := manager.Start(ctx); err != nil {
		return fmt.Errorf("the manager ended: %w", err)
	}
	return nil
}

// answer writes the counters for each line of the input, and ends the process with it.
func answer(counters *counters, stop func()) {
	defer stop()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if _, err := os.Stdout.Write(counters.line()); err != nil {
			return
		}
	}
}
